# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What the action `list-denials` leaves out, and what it says about that."""

from typing import Any

from istio_ambient import kube
from istio_ambient.actions import _denials

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import test_denials as shop
from tests.unit.explain.test_access_log import NOT_ALLOWED, ZTUNNEL


class Logs:
    """A cluster in which each proxy logged the same."""

    def __init__(self, text: str | Exception, metrics: str = ""):
        self.found = text
        self.metrics = metrics

    def text(self, path: str, query: Any) -> str:
        del query
        if "/proxy/" in path:
            return self.metrics
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def listed(client: Any, *proxies: Any, **changes: Any) -> dict[str, Any]:
    found = shop.evaluation(**changes)
    topology = found.topology
    return dict(_denials.list_denials(client, {}, proxies, shop.judge(found), topology, "shop"))


def test_refusals_of_other_models_are_counted_and_not_shown():
    own = ZTUNNEL.format(reason=NOT_ALLOWED)
    foreign = own.replace("ns/shop/sa/ratings", "ns/other/sa/payroll")
    foreign = foreign.replace('dst.namespace="shop"', 'dst.namespace="other"')
    foreign = foreign.replace('"details.shop', '"secret.other').replace("details-0", "secret-0")
    results = listed(Logs(f"{own}\n{foreign}\n{foreign}\n"), shop.NODE)
    assert results["refused"] == 1
    assert "payroll" not in str(results) and "secret" not in str(results)
    assert results["notes"] == "left out: 2 refusals of other models, on the same nodes"


def test_counters_of_other_models_are_not_shown():
    sample = (
        'istio_tcp_connections_failed_total{{reporter="destination",response_flags="DENY",'
        'source_principal="spiffe://cluster.local/ns/{0}/sa/web",'
        'destination_service="details.{0}.svc.cluster.local"}} 3\n'
    )
    metrics = sample.format("shop") + sample.format("other")
    results = listed(Logs(kube.RequestError("read", "away"), metrics), shop.NODE)
    assert "shop/details" in results["counters"]
    assert "other" not in results["counters"]


def test_a_mesh_whose_ztunnel_is_not_found_is_said_to_be_listed_in_part():
    captured = shop.pod("details", 70, annotations=samples.CAPTURED)
    said = "no ztunnel was found in mesh, Istio's root namespace"
    assert said in listed(Logs(""), shop.WAY, pods=(captured,))["notes"]
    assert said not in listed(Logs(""), shop.WAY, shop.NODE, pods=(captured,))["notes"]
    assert said not in listed(Logs(""), shop.GATE, pods=(captured,))["notes"]
