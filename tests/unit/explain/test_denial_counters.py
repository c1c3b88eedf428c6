# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Refusals from the counters of proxies."""

from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import denial_counters
from istio_ambient.explain.directory import ProxyPod

POD = kube.Ref("v1", "Pod", "shop", "p")
ZTUNNEL = ProxyPod(POD, evaluator.Proxy.ZTUNNEL)
WAYPOINT = ProxyPod(POD, evaluator.Proxy.WAYPOINT, "shop/way")
FAILED = (
    'istio_tcp_connections_failed_total{{reporter="{reporter}",source_principal="{source}",'
    'destination_service="details.shop.svc.cluster.local",response_flags="{flags}"}} {count}\n'
)


def failed(source: str, count: int = 1, reporter: str = "destination", flags: str = "DENY") -> str:
    return FAILED.format(source=source, count=count, reporter=reporter, flags=flags)


def test_ztunnel_counts_by_identity_and_service():
    ratings = "spiffe://cluster.local/ns/shop/sa/ratings"
    text = "# TYPE x counter\n" + failed(ratings, 2) + failed(ratings, 3) + failed("unknown")
    text += failed(ratings, 7, reporter="source") + failed(ratings, 7, flags="CONNECT")
    assert denial_counters.counters(ZTUNNEL, text) == [
        denial_counters.Counter("a client without an identity", "shop/details", 1, "ztunnel"),
        denial_counters.Counter("shop/ratings", "shop/details", 5, "ztunnel"),
    ]


def test_a_waypoint_counts_pairs_or_at_least_a_number():
    rbac = 'envoy_http_rbac{authz_enforce_result="denied"} 4\n'
    rbac += 'envoy_http_rbac{authz_enforce_result="allowed"} 9\n'
    (counter,) = denial_counters.counters(WAYPOINT, rbac)
    assert counter == denial_counters.Counter("any source", "", 4, "waypoint shop/way")
    requests = (
        'istio_requests_total{source_workload="web",source_workload_namespace="shop",'
        'destination_service="details.shop.svc.cluster.local",response_code="%s"} 2\n'
    )
    (counter,) = denial_counters.counters(WAYPOINT, rbac + requests % 403 + requests % 200)
    assert (counter.source, counter.target, counter.count) == ("shop/web", "shop/details", 2)
    assert "shop/web" in denial_counters.table([counter])
    assert denial_counters.table([]) == "nothing was refused"


@given(
    st.lists(st.one_of(st.text(), st.sampled_from([failed("x"), "a{} 1e999", 'a{b="']))).map(
        "\n".join
    )
)
def test_no_metrics_raise(text: str):
    denial_counters.counters(ZTUNNEL, text)


def test_what_a_ztunnel_counts_about_other_models_is_not_of_this_one():
    def is_of_shop(source: str, target: str, by: str = "ztunnel") -> bool:
        return denial_counters.Counter(source, target, 1, by).is_of("shop")

    assert is_of_shop("shop/a", "other/b")
    assert is_of_shop("other/a", "shop/b")
    assert not is_of_shop("other/a", "other/b")
    assert not is_of_shop("shopping/a", "shopping/b")
    assert is_of_shop("other/a", "other/b", "waypoint shop/way")
