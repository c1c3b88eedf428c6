# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which alerts of istio-ingress-k8s fire."""

from pathlib import Path

import pytest

from tests.unit.charm.observability import promtool
from tests.unit.charm.observability.promtool import Case, constant

TARGET = 'destination_service_namespace="shop",destination_service_name="productpage"'
GOOD, BAD = (f'istio_requests_total;{TARGET},response_code="{code}"' for code in (200, 502))
BUCKET = f"istio_request_duration_milliseconds_bucket;{TARGET}"
EXPIRY = "envoy_listener_ssl_certificate_of_shop_gate_expiration_unix_time_seconds"
DAY = 24 * 3600
DENIED = 'envoy_http_rbac;authz_enforce_result="denied"'
REFUSED = (
    f'istio_requests_total;{TARGET},response_code="403",response_flags="{{}}",'
    'destination_workload="{}"'
)
WELL = {
    "up": constant(1),
    DENIED: constant(0),
    "envoy_server_live": constant(1),
    "istio_agent_cert_expiry_seconds": constant(80_000),
    GOOD: "0+100x60",
    f'{BUCKET},le="1000"': "0+100x60",
    f'{BUCKET},le="+Inf"': "0+100x60",
}
CASES = [
    Case("all is well, without TLS", {}),
    Case("all is well, with TLS", {EXPIRY: constant(60 * DAY)}),
    Case("it is gone", {"envoy_server_live": "_x60"}, {"IstioGatewayDown"}),
    Case(
        "metrics-proxy cannot be reached",
        {"up": constant(0), "envoy_server_live": "_x60"},
        {"IstioGatewayMetricsMissing"},
    ),
    Case(
        "clients are refused",
        {DENIED: "0+11x60", REFUSED.format("-", "unknown"): "0+11x60"},
        {"IstioIngressRefused"},
        {"IstioIngressRefused": "juju run -m mesh app/leader list-routes"},
    ),
    Case(
        "one client in a hundred is refused",
        {DENIED: "0+1x60", REFUSED.format("-", "unknown"): "0+1x60"},
    ),
    Case(
        "the authorizer and the application answer 403",
        {
            DENIED: "0+1x60",
            REFUSED.format("UAEX", "unknown"): "0+50x60",
            REFUSED.format("-", "productpage"): "0+50x60",
        },
    ),
    Case(
        "it refuses clusters",
        {
            "envoy_listener_manager_lds_update_rejected": constant(0),
            "envoy_cluster_manager_cds_update_rejected": "0+1x60",
        },
        {"IstioGatewayConfigurationRejected"},
    ),
    Case(
        "it refused once, long ago",
        {
            "envoy_listener_manager_lds_update_rejected": constant(3),
            "envoy_cluster_manager_cds_update_rejected": constant(0),
        },
    ),
    # promtool's clock begins at 0.
    Case(
        "the certificate lasts three days",
        {EXPIRY: constant(3 * DAY)},
        {"IstioGatewayCertificateExpiresSoon"},
    ),
    Case(
        "the certificate lasts half a day",
        {EXPIRY: constant(DAY / 2)},
        {"IstioGatewayCertificateExpiresSoon", "IstioGatewayCertificateExpires"},
    ),
    Case(
        "its certificate on the mesh is not renewed",
        {"istio_agent_cert_expiry_seconds": constant(60)},
        {"IstioGatewayCertificateNotRenewed"},
    ),
    Case("one request in ten fails", {BAD: "0+11x60"}, {"IstioIngressErrors"}),
    Case("one request in a hundred fails", {BAD: "0+1x60"}),
    Case(
        "one request in fifty takes ten seconds",
        {f'{BUCKET},le="10000"': "0+102x60", f'{BUCKET},le="+Inf"': "0+102x60"},
        {"IstioIngressSlow"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_which_alerts_fire(case: Case, tmp_path: Path):
    promtool.check("istio-ingress-k8s", case, WELL, tmp_path)
