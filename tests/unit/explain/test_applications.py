# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Names that operators type, and what they stand for."""

import contextlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient import gateways
from istio_ambient.authorization import evaluator
from istio_ambient.explain import applications, names

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import bookshop

GATEWAY = {gateways.NAME_LABEL: "ingress"}


def topology(**changes: Any) -> evaluator.Topology:
    return evaluator.Topology(bookshop.snapshot(bookshop.facts(), **changes))


def test_the_source_is_the_service_account_of_the_pods():
    pods = (samples.pod("web-0", "web", "web-account"),)
    found = applications.source(topology(pods=pods), "web", "shop")
    assert (str(found), found.identity, found.on_mesh) == ("shop/web", "shop/web-account", True)
    assert applications.source(topology(pods=pods), "web-account", "shop").identity == (
        "shop/web-account"
    )


def test_the_source_of_a_gateway_is_the_account_of_its_proxies():
    pods = (
        samples.pod("ingress-0", "ingress", "ingress"),
        samples.pod("proxy", "", "ingress-istio", labels=GATEWAY),
    )
    found = applications.source(topology(pods=pods), "shop/ingress", "other")
    assert (found.identity, found.on_mesh) == ("shop/ingress-istio", True)


def test_an_application_without_pods_is_known_by_its_service():
    found = topology(pods=())
    assert applications.source(found, "ratings", "shop").identity == "shop/ratings"
    asked = applications.destination(found, "ratings", "shop")
    assert (asked.address, asked.pods) == (evaluator.Destination.service("shop", "ratings"), None)
    assert asked.application == "ratings"


def test_an_application_is_reached_by_its_one_service_or_else_by_its_pods():
    selector = {"app.kubernetes.io/name": "details"}
    one = samples.service("books", selector=selector)
    asked = applications.destination(topology(services=(one,)), "details", "shop")
    assert asked.address == evaluator.Destination.service("shop", "books")
    assert asked.pods == evaluator.Destination.workload("shop", "details")
    asked = applications.destination(topology(services=()), "details", "shop")
    assert asked.address == asked.pods == evaluator.Destination.workload("shop", "details")
    two = samples.service("books-endpoints", selector=selector)
    with pytest.raises(names.UnknownNameError, match=r"shop/books, shop/books-endpoints"):
        applications.destination(topology(services=(one, two)), "details", "shop")


def test_a_port_that_the_service_does_not_have_is_the_pods_own():
    found = topology()
    asked = applications.destination(found, "details", "shop")
    for port in (None, 80):
        assert applications.at_port(found, asked, port) == asked
    pods = applications.at_port(found, asked, 15090, frozenset({15090}))
    assert pods.address == evaluator.Destination.workload("shop", "details")
    assert pods.note == (
        "Service shop/details has no port 15090: this is about the addresses of its pods"
    )
    wrong = applications.at_port(found, asked, 15090)
    assert (wrong.note, wrong.is_wrong_port) == (
        "Service shop/details has no port 15090, it listens on 80",
        True,
    )
    assert applications.at_port(found, pods, 15090) == pods
    empty = topology(pods=())
    asked = applications.destination(empty, "details", "shop")
    assert applications.at_port(empty, asked, 15090) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("detail", "there is no application detail in shop; did you mean details,"),
        ("other/details", "there is no application details in other; there are none"),
        ("shp/details", "there is no model shp in this cluster; did you mean shop,"),
        ("a/b/c", "a/b/c: name an application, <model>/<application>, a unit, a pod"),
        ("shop/", "shop/: name an application"),
        ("\x1b[31m", "\N{REPLACEMENT CHARACTER}[31m: name an application"),
    ],
)
def test_an_unknown_name_is_answered_with_the_names_that_exist(text: str, said: str):
    with pytest.raises(names.UnknownNameError) as caught:
        applications.source(topology(), text, "shop")
    assert str(caught.value).startswith(said)
    with pytest.raises(names.UnknownNameError):
        applications.destination(topology(), text, "shop")


def test_several_service_accounts_are_named():
    pods = (samples.pod("a", "web", "one"), samples.pod("b", "web", "two"))
    with pytest.raises(names.UnknownNameError, match="name one: shop/one, shop/two"):
        applications.source(topology(pods=pods), "web", "shop")


@pytest.mark.parametrize(
    "text",
    [
        "details",
        "shop/details",
        "details.shop",
        "details.shop.svc",
        "details.shop.svc.cluster.local.",
    ],
)
def test_a_service_has_several_spellings(text: str):
    found = applications.destination(topology(), text, "shop" if "shop" not in text else "other")
    assert found.address == evaluator.Destination.service("shop", "details")
    assert applications.source(topology(), text, "shop").identity == "shop/details"


@pytest.mark.parametrize(
    "text",
    [
        "details/0",
        "shop/details/0",
        "details-0",
        "shop/details-0",
        "details-0.x.shop.svc.cluster.local",
    ],
)
def test_a_unit_is_its_pod(text: str):
    found = topology()
    assert applications.source(found, text, "shop").identity == "shop/details"
    assert applications.source(found, text, "shop").name == "details"
    asked = applications.destination(found, text, "shop")
    assert asked.address == evaluator.Destination.pod("shop", "details-0")
    assert asked.application == "details"


@pytest.mark.parametrize(
    "text",
    [
        "ns/plain/sa/robot",
        "spiffe://cluster.local/ns/plain/sa/robot",
        "cluster.local/ns/plain/sa/robot",
        "system:serviceaccount:plain:robot",
        "plain/robot",
    ],
)
def test_a_service_account_of_any_namespace_is_a_source(text: str):
    found = applications.source(topology(), text, "shop")
    assert (found.identity, found.kind) == ("plain/robot", applications.SourceKind.OTHER)
    assert found.note == "no pod runs with the service account plain/robot now"


def test_a_unit_that_does_not_exist_is_answered_with_the_nearest_pods():
    with pytest.raises(names.UnknownNameError, match="no pod or unit details-7 in shop; did you"):
        applications.source(topology(), "details/7", "shop")
    with pytest.raises(names.UnknownNameError, match="did you mean details-0,"):
        applications.destination(topology(), "details/7", "shop")


def test_three_names_are_suggested_and_no_hash():
    owner = [{"kind": "ReplicaSet", "name": "agent-5d4f8c7b9"}]
    pod = samples.pod("agent-5d4f8c7b9-x", "", "agent", labels={"pod-template-hash": "5d4f8c7b9"})
    pod["metadata"]["labels"].pop("app.kubernetes.io/name", None)
    pod["metadata"]["ownerReferences"] = owner
    pods = tuple(samples.pod(f"web-{n}", f"web-{n}", "web") for n in range(9))
    found = topology(pods=(*pods, pod), services=())
    assert applications.source(found, "agent", "shop").identity == "shop/agent"
    with pytest.raises(names.UnknownNameError) as caught:
        applications.source(found, "agen", "shop")
    assert str(caught.value).count(",") == 1
    assert "did you mean agent, " in str(caught.value)


@hypothesis.given(st.text(max_size=60))
def test_any_text_is_a_name_or_an_error(text: str):
    for read in (lambda: names.read(text, "shop", {"shop"}), lambda: names.read_url(text)):
        with contextlib.suppress(names.UnknownNameError):
            read()


def test_a_url_names_host_port_and_path():
    found = names.read_url("http://details.shop:9080/details/0?a=b")
    assert found == names.Url("details.shop", 9080, "/details/0?a=b", "details.shop:9080")
    assert names.read_url("https://details").port == 443
    for text in ("details", "ftp://details/", "http://", "http://a:99999/", "http://[x/"):
        with pytest.raises(names.UnknownNameError, match="use http://<service>"):
            names.read_url(text)
