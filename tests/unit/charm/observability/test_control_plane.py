# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which alerts of istio-k8s fire."""

from pathlib import Path

import pytest

from tests.unit.charm.observability import promtool
from tests.unit.charm.observability.promtool import Case, constant

DAY = 24 * 3600
IDENTITY = "spiffe://cluster.local/ns/shop/sa/productpage"
DETAILS = (
    'reporter="destination",destination_workload_namespace="shop",destination_workload="details"'
)


def opened(source: str = "", policy: str = "mutual_tls") -> str:
    """Return the series of connections to `shop/details`, encrypted or from this workload."""
    name = f'source_workload_namespace="shop",source_workload="{source or "unknown"}"'
    principal = IDENTITY if policy == "mutual_tls" else "unknown"
    return (
        f"istio_tcp_connections_opened_total;{DETAILS},{name},"
        f'source_principal="{principal}",connection_security_policy="{policy}"'
    )


def failed(flags: str, principal: str = IDENTITY) -> str:
    """Return the series of connections to `shop/details` that failed."""
    return (
        f"istio_tcp_connections_failed_total;{DETAILS},"
        f'source_principal="{principal}",response_flags="{flags}"'
    )


OF_PRODUCTPAGE = (
    'istio_tcp_connections_opened_total;reporter="{}",{}_workload_namespace="shop",'
    '{}_workload="productpage",connection_security_policy="mutual_tls"'
)
WELL = {
    "up": constant(1),
    opened(): "0+100x60",
    "pilot_info": constant(1),
    "istio_cni_install_ready": constant(1),
    "ztunnel_connected": constant(1),
}
"""What is missing of this is told."""
CASES = [
    Case("all is well", {"ztunnel_connected": constant(1)}),
    Case(
        "metrics-proxy cannot be reached",
        {
            "up": constant(0),
            "pilot_info": "_x60",
            "istio_cni_install_ready": "_x60",
            "ztunnel_connected": "_x60",
        },
        {"IstioControlPlaneMetricsMissing"},
    ),
    Case(
        "connections of one source are refused",
        {failed("DENY"): "0+50x60"},
        {"IstioConnectionsRefused"},
        {
            "IstioConnectionsRefused": "ask the istio-beacon-k8s of model shop, whose metrics are "
            "not scraped here, to explain source=shop/productpage target=shop/details"
        },
    ),
    Case(
        "connections are refused in a model whose beacon has another name",
        {
            failed("DENY"): "0+50x60",
            'up;juju_charm="istio-beacon-k8s",juju_model="shop",juju_application="mesh-of-shop"': (
                constant(1)
            ),
        },
        {"IstioConnectionsRefused"},
        {
            "IstioConnectionsRefused": "juju run -m shop mesh-of-shop/leader explain "
            "source=shop/productpage target=shop/details"
        },
    ),
    Case("one connection in a hundred is refused", {failed("DENY"): "0+1x60"}),
    Case("connections fail without a policy", {failed("CONNECT"): "0+50x60"}),
    Case(
        "clients without an identity are refused",
        {failed("DENY", "unknown"): "0+1x60"},
        {"IstioConnectionsRefused"},
        {"IstioConnectionsRefused": "no policy can name them"},
    ),
    Case(
        "an application on the mesh sends plain text",
        {
            opened("productpage", "unknown"): "0+1x60",
            OF_PRODUCTPAGE.format("destination", "destination", "destination"): "0+1x60",
        },
        {"IstioPlainTextOnMesh"},
    ),
    Case(
        "an application that ztunnel sends for sends plain text too",
        {
            opened("productpage", "unknown"): "0+1x60",
            OF_PRODUCTPAGE.format("source", "source", "source"): "0+1x60",
        },
        {"IstioPlainTextOnMesh"},
    ),
    Case("clients off the mesh send plain text", {opened("prometheus", "unknown"): "0+9x60"}),
    Case("istiod is gone", {"pilot_info": "_x60"}, {"IstioControlPlaneDown"}),
    Case("istio-cni is gone", {"istio_cni_install_ready": "_x60"}, {"IstioNodeAgentMissing"}),
    Case(
        "pushes fail",
        {'pilot_xds_pushes;type="cds_senderr"': "0+1x60", 'pilot_xds_pushes;type="cds"': "0+9x60"},
        {"IstioPushErrors"},
    ),
    Case("a ztunnel takes nothing", {"pilot_xds_write_timeout": "0+1x60"}, {"IstioPushErrors"}),
    Case(
        "pushes go well",
        {'pilot_xds_pushes;type="cds"': "0+9x60", "pilot_xds_write_timeout": constant(3)},
    ),
    Case(
        "pushes are slow",
        {
            'pilot_proxy_convergence_time_bucket;le="10"': "0+1x60",
            'pilot_proxy_convergence_time_bucket;le="20"': "0+9x60",
            'pilot_proxy_convergence_time_bucket;le="+Inf"': "0+9x60",
        },
        {"IstioPushesSlow"},
    ),
    Case(
        "pushes take less than ten seconds",
        {
            'pilot_proxy_convergence_time_bucket;le="10"': "0+9x60",
            'pilot_proxy_convergence_time_bucket;le="20"': "0+9x60",
            'pilot_proxy_convergence_time_bucket;le="+Inf"': "0+9x60",
        },
    ),
    Case("a proxy refuses", {"pilot_total_xds_rejects": "0+1x60"}, {"IstioConfigurationRejected"}),
    Case(
        "a proxy refuses for the first time",
        {'pilot_total_xds_rejects;type="lds"': "_x35 1x25"},
        {"IstioConfigurationRejected"},
    ),
    Case("no proxy refuses any more", {"pilot_total_xds_rejects": "7x60"}),
    Case("internal errors, none of them recent", {"pilot_total_xds_internal_errors": constant(7)}),
    Case(
        "an internal error for the first time",
        {"pilot_total_xds_internal_errors": "_x35 1x25"},
        {"IstioInternalErrors"},
    ),
    Case(
        "certificates were not signed, and are again",
        {"citadel_server_csr_sign_err_count": constant(7)},
    ),
    Case(
        "a certificate is not signed for the first time",
        {"citadel_server_csr_sign_err_count": "_x35 1x25"},
        {"IstioCertificatesNotSigned"},
    ),
    Case(
        "internal errors", {"pilot_total_xds_internal_errors": "0+1x60"}, {"IstioInternalErrors"}
    ),
    Case(
        "the root certificate lasts 20 days",
        {"citadel_server_root_cert_expiry_timestamp": constant(20 * DAY)},
        {"IstioRootCertificateExpiresSoon"},
    ),
    Case(
        "the root and the signing certificate last 40 days",
        {
            "citadel_server_root_cert_expiry_timestamp": constant(40 * DAY),
            "citadel_server_cert_chain_expiry_timestamp": constant(40 * DAY),
        },
    ),
    Case(
        "the signing certificate lasts two days",
        {"citadel_server_cert_chain_expiry_timestamp": constant(2 * DAY)},
        {"IstioSigningCertificateExpiresSoon", "IstioCertificateExpires"},
    ),
    Case(
        "the root certificate lasts two days, the signing certificate longer",
        {
            "citadel_server_root_cert_expiry_timestamp": constant(2 * DAY),
            "citadel_server_cert_chain_expiry_timestamp": constant(400 * DAY),
        },
        {"IstioRootCertificateExpiresSoon", "IstioCertificateExpires"},
    ),
    Case(
        "certificates are not signed",
        {"citadel_server_csr_sign_err_count": "0+1x60"},
        {"IstioCertificatesNotSigned"},
    ),
    Case(
        "a node lost ztunnel", {"ztunnel_connected": constant(0)}, {"IstioZtunnelNotOnEveryNode"}
    ),
    Case(
        "a node never had ztunnel", {"ztunnel_connected": "_x60"}, {"IstioZtunnelNotOnEveryNode"}
    ),
    Case("istio-cni is not ready", {"istio_cni_install_ready": constant(0)}, {"IstioCniNotReady"}),
    Case(
        "one of two nodes lost ztunnel",
        {
            'istio_cni_install_ready;pod="b"': constant(1),
            "ztunnel_connected": constant(1),
            'ztunnel_connected;pod="b"': constant(0),
        },
        {"IstioZtunnelNotOnEveryNode"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_which_alerts_fire(case: Case, tmp_path: Path):
    promtool.check("istio-k8s", case, WELL, tmp_path)
