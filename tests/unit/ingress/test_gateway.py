# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The gateway itself: listeners, hostnames, scale, and what istiod is told to copy."""

import json

import pytest
from istio_ambient import ingress
from istio_ambient.ingress import Config
from istio_ambient.ingress.routing import Address, _hosts

from tests.unit.ingress.samples import ADDRESS, facts, objects, request


def listeners(config: Config, address: str = ADDRESS) -> list[dict[str, object]]:
    return objects(facts(config=config, address=address))["Gateway shop/gate"]["spec"]["listeners"]


def test_one_http_listener_for_routes_of_our_namespace():
    assert listeners(Config()) == [
        {
            "name": "http-80",
            "port": 80,
            "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        }
    ]


def test_pods_get_the_telemetry_label_and_nothing_that_identifies_the_gateway_object():
    spec = objects(facts())["Gateway shop/gate"]["spec"]
    assert spec["gatewayClassName"] == "istio"
    assert spec["infrastructure"]["labels"] == {
        "charms.canonical.com/shop.gate.telemetry": "aggregated"
    }
    # Absent, istiod would copy the Gateway's own annotations, our hash among them.
    assert spec["infrastructure"]["annotations"] == {}


def test_only_the_pods_have_the_configuration_of_their_metrics():
    # On Deployment and Service `istioctl analyze` warns of it.
    data = objects(facts())["ConfigMap shop/gate-parameters"]["data"]
    template = json.loads(data["deployment"])["spec"]["template"]
    (config,) = template["metadata"]["annotations"].values()
    suffixes = json.loads(config)["proxyStatsMatcher"]["inclusionSuffixes"]
    assert "expiration_unix_time_seconds" in suffixes


@pytest.mark.parametrize("replicas", [1, 3])
def test_autoscaler_holds_the_number_of_units(replicas: int):
    spec = objects(facts(replicas=replicas))["HorizontalPodAutoscaler shop/gate"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (replicas, replicas)
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "gate-istio",
    }


@pytest.mark.parametrize(
    ("config", "address", "listener", "public"),
    [
        (Config(), "", "", ""),
        (Config(), "203.0.113.10", "", "203.0.113.10"),
        (Config(), "2001:db8::1", "", "[2001:db8::1]"),
        (Config(), "Lb-1.Example.com", "lb-1.example.com", "lb-1.example.com"),
        (
            Config(external_hostname="apps.example.com"),
            "203.0.113.10",
            "apps.example.com",
            "apps.example.com",
        ),
        (Config(external_hostname="apps.example.com"), "", "apps.example.com", "apps.example.com"),
        (Config(external_hostname="198.51.100.1"), "lb.example.com", "", "198.51.100.1"),
        (
            Config(external_hostname="apps.example.com", listener_hostname=""),
            "lb.example.com",
            "",
            "apps.example.com",
        ),
        (
            Config(external_hostname="", listener_hostname=""),
            "lb.example.com",
            "",
            "lb.example.com",
        ),
        (
            Config(external_hostname="", listener_hostname="*.example.com"),
            "203.0.113.10",
            "*.example.com",
            "203.0.113.10",
        ),
        (
            Config(external_hostname="a.example.com", listener_hostname="b.example.com"),
            "",
            "b.example.com",
            "a.example.com",
        ),
    ],
)
def test_hostnames(config: Config, address: str, listener: str, public: str):
    hosts = _hosts.hosts(config, Address(address))
    assert (hosts.listener, hosts.public, hosts.problems) == (listener, public, ())
    assert listeners(config, address)[0].get("hostname", "") == listener


BAD_HOSTNAMES = (
    "exa mple.com",
    "http://example.com",
    "-a.com",
    "a..b",
    "a.com:80",
    "a_b.com",
    "1.2.3",
    "*",
    "*.1.2.3.4",
    "x" * 64 + ".com",
    "x." * 127 + "com",
    "é.com",
    "a.com\nb",
    "fe80::1%eth0",
)


@pytest.mark.parametrize("bad", BAD_HOSTNAMES)
def test_an_invalid_external_hostname_is_reported_and_the_address_used(bad: str):
    hosts = _hosts.hosts(Config(external_hostname=bad), Address("lb.example.com"))
    assert [p.field for p in hosts.problems] == ["external_hostname"]
    assert (hosts.public, hosts.listener) == ("lb.example.com", "lb.example.com")


@pytest.mark.parametrize("bad", BAD_HOSTNAMES)
def test_an_invalid_listener_hostname_is_reported_and_the_default_used(bad: str):
    config = Config(external_hostname="a.example.com", listener_hostname=bad)
    hosts = _hosts.hosts(config, Address())
    assert [p.field for p in hosts.problems] == ["listener-hostname"]
    assert hosts.listener == "a.example.com"


@pytest.mark.parametrize("bad", ["a_b.elb", "http://lb", "1.2.3"])
def test_an_invalid_address_of_the_load_balancer_is_reported(bad: str):
    hosts = _hosts.hosts(Config(), Address(bad))
    assert [problem.remedy for problem in hosts.problems] == ["set external_hostname"]
    assert (hosts.public, hosts.listener, hosts.names) == ("", "", ())


@pytest.mark.parametrize(
    ("config", "address", "names"),
    [
        (Config(), ADDRESS, (ADDRESS,)),
        (Config(), "lb.example.com", ("lb.example.com",)),
        (Config(external_hostname="a.example.com"), ADDRESS, ("a.example.com",)),
        (
            Config(external_hostname="a.example.com", listener_hostname=""),
            ADDRESS,
            ("a.example.com",),
        ),
        (
            Config(external_hostname="a.example.com", listener_hostname="b.example.com"),
            ADDRESS,
            ("a.example.com", "b.example.com"),
        ),
        (
            Config(external_hostname="", listener_hostname="*.example.com"),
            ADDRESS,
            (ADDRESS, "*.example.com"),
        ),
        (Config(), "", ()),
    ],
)
def test_what_the_certificate_is_for(config: Config, address: str, names: tuple[str, ...]):
    assert _hosts.hosts(config, Address(address)).names == names


def test_listeners_take_no_ip_address():
    hosts = _hosts.hosts(Config(listener_hostname="203.0.113.10"), Address())
    assert [p.field for p in hosts.problems] == ["listener-hostname"]
    assert hosts.listener == ""


def test_a_wildcard_is_no_external_hostname():
    hosts = _hosts.hosts(Config(external_hostname="*.example.com"), Address())
    assert [p.field for p in hosts.problems] == ["external_hostname"]


def test_bad_hostnames_are_among_the_problems_of_the_whole():
    assert [
        problem.field
        for problem in ingress.desired(
            ingress.resolve(facts(config=Config(external_hostname="a b", listener_hostname="c d")))
        ).problems
    ] == ["external_hostname", "listener-hostname"]


def test_urls_follow_the_address():
    for address, url in [
        (ADDRESS, "http://203.0.113.10/shop-productpage"),
        ("2001:db8::1", "http://[2001:db8::1]/shop-productpage"),
        ("", ""),
    ]:
        found = ingress.resolve(facts(request(), address=address))
        assert [found.url(route) for route in found.served.routes] == [url]
