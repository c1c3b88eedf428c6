# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Names that operators type, and what they stand for."""

from typing import Any

import pytest
from istio_ambient import gateways
from istio_ambient.authorization import evaluator
from istio_ambient.explain import applications

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
    with pytest.raises(applications.UnknownNameError, match=r"shop/books, shop/books-endpoints"):
        applications.destination(topology(services=(one, two)), "details", "shop")


def test_a_port_that_the_service_does_not_have_is_the_pods_own():
    found = topology()
    asked = applications.destination(found, "details", "shop")
    for port in (None, 80):
        assert applications.at_port(found, asked, port) == asked
    pods = applications.at_port(found, asked, 15090)
    assert pods.address == evaluator.Destination.workload("shop", "details")
    assert pods.note == (
        "Service shop/details has no port 15090: this is about the addresses of its pods"
    )
    assert applications.at_port(found, pods, 15090) == pods
    empty = topology(pods=())
    asked = applications.destination(empty, "details", "shop")
    assert applications.at_port(empty, asked, 15090) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("detail", "there is no application detail in shop; did you mean details? there are"),
        ("other/details", "there is no application details in other; there are none"),
        ("shp/details", "there is no model shp in this cluster; did you mean shop? there are"),
        ("a/b/c", "a/b/c: name an application, or <model>/<application>"),
        ("shop/", "shop/: name an application"),
        ("\x1b[31m", "there is no application \N{REPLACEMENT CHARACTER}[31m in shop"),
    ],
)
def test_an_unknown_name_is_answered_with_the_names_that_exist(text: str, said: str):
    with pytest.raises(applications.UnknownNameError) as caught:
        applications.source(topology(), text, "shop")
    assert str(caught.value).startswith(said)
    with pytest.raises(applications.UnknownNameError):
        applications.destination(topology(), text, "shop")


def test_several_service_accounts_are_named():
    pods = (samples.pod("a", "web", "one"), samples.pod("b", "web", "two"))
    with pytest.raises(applications.UnknownNameError, match="name one: shop/one, shop/two"):
        applications.source(topology(pods=pods), "web", "shop")
