# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway's address, for each type of its Service."""

import datetime
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from istio_ambient import authorization, ingress, kube, resources
from istio_ambient.ingress import Config, routing
from istio_ambient.ingress.model import parse_host_options
from istio_ambient.ingress.routing import _addresses

from tests.unit.ingress.samples import ADDRESS, facts, request, service

NODE, NODE_PORTS = "192.0.2.20", {80: 31080, 443: 31443, 15021: 31021}
NAME = "gate-istio.shop.svc.cluster.local"


def reached(
    service_type: Any,
    node: str = NODE,
    wanted: Any = None,
    tls: ingress.Tls | None = None,
    **options: Any,
) -> Any:
    """Return facts with a type of the gateway's Service, and one application with a route."""
    config = Config(gateway_service_type=wanted or service_type, **options)
    gateway = authorization.ServiceFacts(
        "shop",
        "gate-istio",
        type=service_type,
        address=ADDRESS if service_type == "LoadBalancer" else "",
        node_ports={} if service_type == "ClusterIP" else NODE_PORTS,
    )
    return facts(
        request(),
        services=(service(), gateway),
        config=config,
        node_address=node,
        tls=tls or ingress.Tls(),
    )


def hosts(given: ingress.Facts) -> routing.Hosts:
    return ingress.resolve(given).hosts


@pytest.mark.parametrize(
    ("service_type", "tls", "url"),
    [
        ("LoadBalancer", False, f"http://{ADDRESS}"),
        ("LoadBalancer", True, f"https://{ADDRESS}"),
        ("NodePort", False, f"http://{NODE}:31080"),
        ("NodePort", True, f"https://{NODE}:31443"),
        ("ClusterIP", False, f"http://{NAME}"),
        ("ClusterIP", True, f"https://{NAME}"),
    ],
)
def test_published_urls_follow_the_type_of_the_service(service_type: str, tls: bool, url: str):
    found = hosts(reached(service_type, tls=ingress.Tls(wanted=tls)))
    assert found.url == url
    # A node's address or a name inside the cluster is no name that clients ask for.
    assert found.listener == ""


def test_an_ipv6_node_with_a_port():
    assert hosts(reached("NodePort", node="2001:db8::1")).url == ("http://[2001:db8::1]:31080")


@pytest.mark.parametrize("service_type", ["LoadBalancer", "NodePort", "ClusterIP"])
def test_what_the_operator_says_is_published_as_it_is(service_type: str):
    found = hosts(reached(service_type, external_hostname="apps.example.com"))
    assert (found.url, found.listener) == ("http://apps.example.com", "apps.example.com")


def test_no_url_while_no_node_runs_the_gateway():
    assert hosts(reached("NodePort", node="")).url == ""


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (reached("LoadBalancer"), ""),
        (reached("NodePort"), ""),
        (reached("ClusterIP"), ""),
        (facts(address=""), "no address from the load balancer"),
        (reached("NodePort", node=""), "no node runs a pod"),
        (reached("LoadBalancer", wanted="NodePort"), "NodePort yet: it is LoadBalancer"),
        (
            msgspec.structs.replace(facts(), cluster=ingress.Cluster()),
            "istiod has not made it yet",
        ),
        # Options that are no good are told as such; what is there is what counts.
        (reached("LoadBalancer", wanted="NodePort", gateway_resources="x"), ""),
    ],
)
def test_what_an_address_waits_for(given: ingress.Facts, reason: str):
    found = ingress.address_readiness(given.gateway, given.cluster, given.config.gateway, {})
    assert found.ready is not bool(reason)
    assert reason in found.reason


def test_since_when_a_gateway_is_not_programmed():
    def gateway(status: str) -> dict[str, Any]:
        condition = {
            "type": "Programmed",
            "status": status,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
        accepted = {**condition, "type": "Accepted", "status": "False"}
        return {"status": {"conditions": [accepted, condition]}}

    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert _addresses.unprogrammed_since(gateway("False")) == when
    assert _addresses.unprogrammed_since(gateway("True")) is None
    assert _addresses.unprogrammed_since(gateway("Unknown")) is None
    assert _addresses.unprogrammed_since({}) is None


NAMED = ingress.Config(external_hostname="shop.example.com", listener_hostname="*.example.com")


def after(before: ingress.Config, now: ingress.Config) -> tuple[routing.Hosts, routing.Hosts]:
    """Return the hosts with one configuration, and with the next at the Gateway of the first."""
    first = ingress.resolve(facts(config=before))
    live = kube.Live(
        resources.identity("shop", "gate"),
        objects={kube.ref_of(obj): obj for obj in ingress.desired(first).objects},
    )
    in_use = ingress.hostnames_in_use(live, first.facts.gateway)
    second = ingress.resolve(facts(config=now, hostnames_in_use=in_use))
    return first.hosts, second.hosts


@pytest.mark.parametrize("before", [NAMED, ingress.Config(), ingress.Config(listener_hostname="")])
@pytest.mark.parametrize("option", ["external_hostname", "listener_hostname"])
def test_an_unreadable_hostname_leaves_a_live_gateway_as_it_is(
    before: ingress.Config, option: str
):
    first, second = after(before, before.model_copy(update={option: "no host"}))
    assert msgspec.structs.replace(second, problems=()) == first
    (problem,) = second.problems
    assert "the last valid one stays" in problem.message
    # It stays through the hooks that follow.
    assert second.options == first.options


def test_an_option_that_is_reset_is_not_remembered():
    first, second = after(NAMED, ingress.Config())
    assert (first.listener, second.listener) == ("*.example.com", "")
    assert second.options == ingress.HostOptions()


@hypothesis.given(st.one_of(st.text(), st.sampled_from(['{"external_hostname": 1}', "[]", "{"])))
def test_an_annotation_that_another_wrote_gives_valid_names_or_none(text: str):
    unreadable = ingress.Config(external_hostname="no host", listener_hostname="no host")
    in_use = parse_host_options(text)
    found = hosts(facts(config=unreadable, hostnames_in_use=in_use))
    assert (found.listener, found.direct) == ("", ADDRESS)
