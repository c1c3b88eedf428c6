# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which alerts of istio-beacon-k8s fire."""

from pathlib import Path

import pytest

from tests.unit.charm.observability import promtool
from tests.unit.charm.observability.promtool import Case, constant

ALLOWED, DENIED = (f'envoy_http_rbac;authz_enforce_result="{r}"' for r in ("allowed", "denied"))
TARGET = 'destination_service_namespace="shop",destination_service_name="details"'


def requests(
    code: int, *, source: str = "productpage", workload: str = "details", **more: str
) -> str:
    """Return the series of requests to `shop/details`."""
    principal = f"spiffe://cluster.local/ns/shop/sa/{source}" if source else "unknown"
    given = {
        "source_principal": principal,
        "response_code": code,
        "destination_workload": workload,
        **more,
    }
    return f"istio_requests_total;{TARGET}," + ",".join(f'{k}="{v}"' for k, v in given.items())


def refused(source: str, **more: str) -> str:
    """Return the series of requests that the waypoint refuses."""
    return requests(403, source=source, workload="unknown", **more)


GOOD, BAD = requests(200), requests(503)
EXPLAIN = "juju run -m mesh app/leader explain source=shop/{} target=shop/details"
BUCKET = f"istio_request_duration_milliseconds_bucket;{TARGET}"
WELL = {
    "up": constant(1),
    "envoy_server_live": constant(1),
    "istio_agent_cert_expiry_seconds": constant(80_000),
    ALLOWED: "0+100x60",
    GOOD: "0+100x60",
    f'{BUCKET},le="1000"': "0+100x60",
    f'{BUCKET},le="+Inf"': "0+100x60",
}
CASES = [
    Case("all is well", {}),
    Case("it is gone", {"envoy_server_live": "_x60"}, {"IstioWaypointDown"}),
    Case("it only drains", {"envoy_server_live": constant(0)}, {"IstioWaypointDown"}),
    Case(
        "one of two is gone",
        {'envoy_server_live;pod="a"': constant(1), "envoy_server_live": "_x60"},
    ),
    Case(
        "it refuses listeners",
        {
            "envoy_listener_manager_lds_update_rejected": "0+1x60",
            "envoy_cluster_manager_cds_update_rejected": constant(0),
        },
        {"IstioWaypointConfigurationRejected"},
    ),
    Case(
        "it refused once, long ago",
        {
            "envoy_listener_manager_lds_update_rejected": constant(3),
            "envoy_cluster_manager_cds_update_rejected": constant(0),
        },
    ),
    Case(
        "its certificate is not renewed",
        {"istio_agent_cert_expiry_seconds": constant(1800)},
        {"IstioWaypointCertificateNotRenewed"},
    ),
    Case(
        "metrics-proxy cannot be reached",
        {"up": constant(0), "envoy_server_live": "_x60"},
        {"IstioWaypointMetricsMissing"},
    ),
    Case("nobody scrapes", {"up": "_x60", "envoy_server_live": "_x60"}),
    Case("one unit of two is scraped", {"up": constant(0), 'up;juju_unit="b"': constant(1)}),
    Case(
        "one request in ten is refused",
        {DENIED: "0+11x60", refused("productpage"): "0+11x60"},
        {"IstioRequestsRefused"},
        {"IstioRequestsRefused": EXPLAIN.format("productpage")},
    ),
    Case(
        "one request in a hundred is refused",
        {DENIED: "0+1x60", refused("productpage"): "0+1x60"},
    ),
    Case(
        "one source is refused always, with one request in a hundred of all",
        {DENIED: "0+1x60", refused("ratings"): "0+1x60"},
        {"IstioRequestsRefused"},
        {"IstioRequestsRefused": EXPLAIN.format("ratings")},
    ),
    Case(
        "calls of gRPC are refused",
        {
            DENIED: "0+1x60",
            requests(
                200, source="ratings", workload="unknown", grpc_response_status="7"
            ): "0+1x60",
        },
        {"IstioRequestsRefused"},
        {"IstioRequestsRefused": EXPLAIN.format("ratings")},
    ),
    Case(
        "clients without an identity are refused",
        {DENIED: "0+1x60", refused(""): "0+1x60"},
        {"IstioRequestsRefused"},
        {"IstioRequestsRefused": "no policy can name them"},
    ),
    Case(
        "the application itself answers 403",
        {DENIED: "0+1x60", requests(403, source="ratings"): "0+50x60"},
    ),
    Case("403 without a refusal by a policy", {DENIED: constant(3), refused("ratings"): "0+9x60"}),
    Case("one request in ten fails", {BAD: "0+11x60"}, {"IstioServiceErrors"}),
    Case("one request in a hundred fails", {BAD: "0+1x60"}),
    Case(
        "one request in fifty takes ten seconds",
        {
            f'{BUCKET},le="10000"': "0+102x60",
            f'{BUCKET},le="+Inf"': "0+102x60",
        },
        {"IstioServiceSlow"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_which_alerts_fire(case: Case, tmp_path: Path):
    promtool.check("istio-beacon-k8s", case, WELL, tmp_path)
