# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded refusals: names for addresses, groups, what is recorded before what is so now."""

import dataclasses
import datetime
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from istio_ambient import beacon, ingress, kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_log, denials, judgements
from istio_ambient.explain.directory import Directory, Entry, ProxyPod

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import bookshop
from tests.unit.explain.test_access_log import NOT_ALLOWED, WAYPOINT, ZTUNNEL, gateway

WAY = ProxyPod(kube.Ref("v1", "Pod", "shop", "way-1"), evaluator.Proxy.WAYPOINT, "shop/way")
NODE = ProxyPod(kube.Ref("v1", "Pod", "mesh", "ztunnel-1"), evaluator.Proxy.ZTUNNEL)
GATE = ProxyPod(kube.Ref("v1", "Pod", "shop", "gate-1"), evaluator.Proxy.GATEWAY, "shop/gate")
WRITTEN = "2026-11-26T09:50:00Z"


def pod(app: str, number: int, **metadata: Any) -> dict[str, Any]:
    """Return a pod with an address of its own."""
    made = samples.pod(f"{app}-0", app, app)
    made["status"] = {"phase": "Running", "podIP": f"10.244.128.{number}", "hostIP": "172.18.0.2"}
    made["spec"]["nodeName"] = "node-1"
    made["metadata"].update(metadata)
    return made


PODS = (pod("details", 70), pod("ratings", 7), pod("productpage", 8))


def evaluation(*policies: Any, **changes: Any) -> evaluator.Evaluator:
    """Return the bookshop, where productpage may GET details."""
    facts = bookshop.facts(bookshop.request())
    objects: dict[str, Any] = {"pods": PODS, **changes}
    return evaluator.Evaluator(bookshop.snapshot(facts, *policies, **objects))


def judge(found: evaluator.Evaluator) -> judgements.MeshJudge:
    """Return the judge of the bookshop's beacon."""
    facts = bookshop.facts(bookshop.request())
    return judgements.MeshJudge(found, facts, frozenset(bookshop.APPS), "mesh/istio-k8s")


def entry(line: str, proxy: ProxyPod = WAY) -> Entry:
    """Return a line as the proxy wrote it."""
    request = access_log.parse(line)
    assert request is not None
    return Entry(request, proxy)


def listed(found: evaluator.Evaluator, *entries: Entry) -> list[denials.Denial]:
    """Return the groups of these lines."""
    attempts = denials.refused(Directory(found.topology), entries)
    policies = found.topology.snapshot.policies
    return [denials.denial(each, judge(found), policies) for each in denials.groups(attempts)]


def waypoint(
    path: str = "/details/0", method: str = "GET", source: int = 7, minute: int = 43
) -> str:
    """Return a line of the waypoint."""
    line = WAYPOINT.replace("GET /details/0", f"{method} {path}").replace("09:43", f"09:{minute}")
    return (
        line.replace("10.244.128.7:", f"10.244.128.{source}:")
        .replace("|9080|", "|80|")
        .replace(":9080 10.244", ":80 10.244")
    )


def test_equal_requests_are_one_group_whatever_ids_are_in_their_paths():
    paths = (
        "/details/7",
        "/details/12345?page=2",
        "/details/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "/details/d41d8cd98f00b204e9800998ecf8427e",
    )
    found = evaluation()
    lines = [entry(waypoint(path, minute=40 + n)) for n, path in enumerate(paths)]
    (group, other) = listed(found, *lines, entry(waypoint("/details/deadbeefs", minute=39)))
    assert (group.path, group.count, other.path) == ("/details/*", 4, "/details/deadbeefs")
    assert (group.first, group.last) == ("2026-11-26T09:40:05Z", "2026-11-26T09:43:05Z")
    assert (group.source, group.target, group.port) == ("shop/ratings", "shop/details", 80)


def test_a_refusal_has_the_remedy_of_explain_and_the_policies_of_now():
    (group,) = listed(evaluation(), entry(waypoint()))
    assert group.why == "no ALLOW policy matched"
    assert group.now.startswith("denied, no ALLOW policy matches, by waypoint shop/way")
    assert group.changed == ()
    assert [each for each in group.remedies if "juju integrate" in each]
    (group,) = listed(evaluation(), entry(waypoint(method="POST", source=8)))
    assert [each for each in group.remedies if "details requests" in each and "only" in each]


def test_what_is_allowed_now_is_said_to_have_changed_and_has_no_remedy():
    (group,) = listed(evaluation(), entry(waypoint(source=8)))
    assert group.why == "no ALLOW policy matched"
    assert group.now.startswith("allowed")
    assert "what refused it has changed" in group.now
    assert group.remedies == ()


def test_a_policy_that_was_written_later_is_named():
    policy = samples.policy("late", targetRefs=samples.TO_DETAILS, action="DENY", rules=[{}])
    policy["metadata"].update(
        creationTimestamp="2026-01-01T00:00:00Z",
        managedFields=[
            {"time": WRITTEN},
            {"time": "2026-11-26T10:00:00Z", "subresource": "status"},
        ],
    )
    (group,) = listed(evaluation(policy), entry(waypoint()))
    assert group.changed == (f"shop/late at {WRITTEN}",)
    assert group.now.endswith("policies have changed since")
    (group,) = listed(evaluation(policy), entry(waypoint(minute=51)))
    assert group.changed == ()


def test_ztunnel_tells_the_identity_and_a_waypoint_the_address():
    line = ZTUNNEL.format(reason=NOT_ALLOWED)
    at_pod, at_waypoint = listed(evaluation(), entry(line, NODE), entry(waypoint(minute=42)))
    assert at_pod.source == at_waypoint.source == "shop/ratings"
    assert (at_pod.by, at_waypoint.by) == ("ztunnel shop/details-0", "waypoint shop/way")
    assert (at_pod.target, at_pod.port, at_pod.path) == ("shop/details", 9080, "")


@pytest.mark.parametrize(
    ("address", "pods", "name"),
    [
        ("10.244.128.7", PODS, "shop/ratings"),
        ("10.244.128.7", (pod("ratings", 7, creationTimestamp=WRITTEN),), "10.244.128.7"),
        ("172.18.0.2", PODS, "node node-1"),
        ("198.51.100.7", PODS, "198.51.100.7"),
    ],
)
def test_an_address_has_the_name_that_it_had_then(address: str, pods: Any, name: str):
    line = waypoint().replace("10.244.128.7", address)
    (group,) = listed(evaluation(pods=pods), entry(line))
    assert group.source == name


def test_one_refusal_is_listed_once_though_several_proxies_record_it():
    line = ZTUNNEL.format(reason=NOT_ALLOWED)
    outbound = line.replace("inbound", "outbound").replace(
        f"connection closed due to policy rejection: {NOT_ALLOWED}",
        "http status: 401 Unauthorized",
    )
    tunnel = waypoint().replace(
        "inbound-vip|80|http|details.shop.svc.cluster.local", "connect_originate"
    )
    unavailable = gateway("via_upstream", 503, "UF").replace(
        '- "-" 0', '- "tunnel_response:401" 0', 1
    )
    entries = [entry(line, NODE), entry(outbound, NODE), entry(tunnel), entry(unavailable)]
    assert len(listed(evaluation(), *entries)) == 1


def test_plain_text_has_no_source_though_its_address_is_of_a_pod():
    strict = "explicitly denied by: mesh/istio_converted_static_strict"
    line = ZTUNNEL.format(reason=strict).replace("172.18.0.2", "10.244.128.7")
    line = line.replace('src.identity="spiffe://cluster.local/ns/shop/sa/ratings" ', "")
    found = evaluation()
    (group,) = listed(found, entry(line, NODE))
    assert group.remedies == (
        "put ratings on the mesh, so that it has an identity: "
        "juju integrate ratings beacon:service-mesh",
        "or accept plain text: juju config -m mesh istio-k8s mtls-mode=permissive",
    )
    attempt = Directory(found.topology).attempt(entry(line, NODE))
    assert judgements.request_of(attempt).source is None


def test_the_table_has_facts_before_judgements_and_stays_on_its_lines():
    (group,) = listed(evaluation(), entry(waypoint()), entry(waypoint(minute=44)))
    lines = denials.table([dataclasses.replace(group, path="/a\nnow: allowed")]).splitlines()
    arrow = "\N{RIGHTWARDS ARROW}"
    replaced = "/a\N{REPLACEMENT CHARACTER}now: allowed"
    assert lines[0] == f"2x shop/ratings {arrow} shop/details:80, GET {replaced}"
    assert lines[1].startswith("  recorded: no ALLOW policy matched, by waypoint shop/way; last ")
    assert lines[2].startswith("  now: denied")
    assert lines[3].startswith("  - ")
    assert denials.table([]) == "no refused requests"
    assert json.loads(denials.as_json([group]))[0]["count"] == 2


NODES = (
    {
        "metadata": {"name": "node-2"},
        "spec": {"podCIDRs": ["10.99.0.0/22", "not a network"], "podCIDR": "10.99.0.0/22"},
        "status": {"addresses": [{"type": "ExternalIP", "address": "192.0.2.10"}]},
    },
)


@pytest.mark.parametrize(
    ("address", "nodes", "origin"),
    [
        ("192.0.2.10", NODES, "node"),
        ("192.0.2.10", (), "outside"),
        ("10.99.3.9", NODES, "inside"),
        ("10.99.3.9", (), "outside"),
        # What no node names follows from the pods.
        ("10.244.128.200", NODES, "inside"),
        ("10.244.129.200", NODES, "outside"),
    ],
)
def test_whose_network_an_address_is_of_is_read_from_nodes(
    address: str, nodes: tuple[Any, ...], origin: str
):
    found = evaluation(nodes=nodes)
    line = waypoint().replace("10.244.128.7:", f"{address}:")
    sender = Directory(found.topology).attempt(entry(line)).sender
    assert str(sender.origin) == origin
    assert sender.name == ("node node-2" if origin == "node" else address)


def test_a_pasted_line_says_which_proxy_wrote_it():
    found = evaluation(
        pods=(*PODS, pod("x", 124, labels={"gateway.networking.k8s.io/gateway-name": "gate"}))
    )
    directory = Directory(found.topology)
    for line, proxy, where in (
        (waypoint(), evaluator.Proxy.WAYPOINT, ""),
        (gateway("ext_authz_denied"), evaluator.Proxy.GATEWAY, "shop/gate"),
        (ZTUNNEL.format(reason=NOT_ALLOWED), evaluator.Proxy.ZTUNNEL, "shop/details-0"),
    ):
        attempt = directory.attempt(directory.pasted(entry(line).request))
        assert (attempt.proxy, attempt.where) == (proxy, where or attempt.where)


def test_the_text_about_a_line_begins_with_when_who_and_what():
    found = evaluation()
    attempt = Directory(found.topology).attempt(entry(waypoint(source=8)))
    text = denials.line_text(attempt, judge(found)(attempt), (), "2026-11-26T10:00:00Z")
    then, now = text.split("\n\n")[:2]
    assert then.splitlines() == [
        "recorded",
        "  time     2026-11-26T09:43:05Z",
        "  source   shop/productpage (by its address), 10.244.128.8",
        "  target   shop/details:80",
        "  request  GET /details/0",
        "  host     details.shop.svc.cluster.local:9080",
        "  proxy    waypoint shop/way",
        "  outcome  403, no ALLOW policy matched",
    ]
    assert now.startswith("now, 2026-11-26T10:00:00Z\n  allowed")
    assert "To allow it" not in text


def test_times_without_a_clock_are_said_to_be_unknown():
    assert denials.moment(None) == ""
    hour = datetime.timezone(datetime.timedelta(hours=1))
    assert (
        denials.moment(datetime.datetime(2026, 1, 1, 0, 30, tzinfo=hour)) == "2025-12-31T23:30:00Z"
    )


def test_a_line_of_a_gateway_is_judged_by_the_policies_at_the_gateway():
    labels = {"gateway.networking.k8s.io/gateway-name": "gate"}
    door = samples.policy(
        "door",
        targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}],
        rules=[{"from": [{"source": {"ipBlocks": ["198.51.100.0/24"]}}]}],
    )
    found = evaluation(door, pods=(*PODS, pod("gate", 124, labels=labels)))
    directory = Directory(found.topology)
    line = entry(gateway("rbac_access_denied_matched_policy[none]")).request
    judgement = judge(found)(directory.attempt(directory.pasted(line)))
    assert judgement.verdict.startswith("denied, no ALLOW policy matches, by gateway shop/gate")
    assert judgement.remedies == (
        "juju run -m shop gate/leader list-denials has what would allow it",
    )


def test_a_source_that_the_client_may_have_written_is_not_named_and_gets_no_access():
    line = waypoint(method="DELETE", source=8).replace('"-" "-" "0fb', '"10.244.128.8" "-" "0fb')
    found = evaluation()
    (group,) = listed(found, entry(line))
    says = "X-Forwarded-For, which a client can write, says 10.244.128.8"
    assert group.source == f"unknown: {says}"
    assert group.now.startswith("cannot be told: the source is not known")
    assert not [each for each in group.remedies if "kubectl" in each or "juju" in each]
    attempt = Directory(found.topology).attempt(entry(line))
    assert f"  source   unknown: {says}" in denials.line_text(
        attempt, judge(found)(attempt), (), ""
    )
    assert denials.data(attempt)["source-is"] == "claimed"


@pytest.mark.parametrize("path", ["/*", "/{**}", "/a*", "?x", "/a/../b", "//a", "/%2e", "/a\\b"])
def test_no_policy_is_printed_for_what_policies_read_as_a_pattern(path: str):
    (group,) = listed(evaluation(), entry(waypoint(path)))
    assert not [each for each in group.remedies if "kubectl" in each]
    assert [each for each in group.remedies if each.startswith("no policy is shown")]


def test_no_policy_is_printed_for_every_method():
    (group,) = listed(evaluation(), entry(waypoint(method="*")))
    assert not [each for each in group.remedies if "kubectl" in each]


@pytest.mark.parametrize("path", ["/", "/details/0", "/a/?x=*", "/a.b/~c;d=1/"])
def test_a_policy_is_printed_for_exactly_the_refused_path(path: str):
    (group,) = listed(evaluation(), entry(waypoint(path)))
    (command,) = (each for each in group.remedies if "kubectl apply" in each)
    exact = json.dumps([path.partition("?")[0]])
    assert f'"methods":["GET"],"paths":{exact}' in command


@pytest.mark.parametrize(
    ("host", "exact"),
    [
        ("details.shop:9080", True),
        ("Details", True),
        ("[::1]:80", True),
        ("*", False),
        ("a b", False),
    ],
)
def test_a_policy_is_printed_for_exactly_the_refused_host(host: str, exact: bool):
    request = entry(waypoint()).request
    (group,) = listed(evaluation(), Entry(dataclasses.replace(request, host=host), WAY))
    commands = [each for each in group.remedies if "kubectl apply" in each]
    assert [f'"hosts":["{host}"]' in each for each in commands] == ([True] if exact else [])


def door_of(address: str, *pods: Any, **config: Any) -> tuple[str, ...]:
    """Return the remedies for a client of an ingress gateway that is not admitted."""
    door = samples.policy(
        "door",
        targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"}],
        rules=[{"from": [{"source": {"ipBlocks": ["203.0.113.0/24"]}}]}],
    )
    found = evaluation(door, pods=(*PODS, *pods))
    options = ingress.Config(external_traffic_policy_cidrs="203.0.113.0/24", **config)
    facts = ingress.Facts(app="gate", model="shop", config=options)
    line = gateway("rbac_access_denied_matched_policy[none]").replace("192.0.2.10:", f"{address}:")
    attempt = Directory(found.topology).attempt(entry(line, GATE))
    return judgements.GatewayJudge(found, facts)(attempt).remedies


def test_the_network_of_a_client_is_admitted():
    option = "external-traffic-policy-cidrs=203.0.113.0/24,192.0.2.10/32"
    assert door_of("192.0.2.10") == (f"admit the client's network: juju config gate {option}",)


@pytest.mark.parametrize("address", ["172.18.0.2", "10.244.128.7", "10.244.128.1"])
def test_an_address_of_a_node_or_of_the_pods_network_is_never_admitted(address: str):
    (remedy,) = door_of(address)
    assert remedy.startswith(f"do not admit {address}")
    assert remedy.endswith("juju config gate external-traffic-policy=Local")
    (remedy,) = door_of(address, external_traffic_policy="Local")
    assert "juju config" not in remedy


def test_what_a_gateway_logs_about_a_pod_that_refused_it_is_listed():
    line = gateway("via_upstream", 503, "UF").replace('- "-" 0', '- "tunnel_response:401" 0', 1)
    directory = Directory(evaluation().topology)
    assert len(list(denials.refused(directory, [entry(line, GATE)]))) == 1
    assert not list(denials.refused(directory, [entry(line, WAY)]))


def test_a_source_that_juju_does_not_know_is_put_on_the_mesh_by_its_namespace():
    scraper = pod("prometheus", 9)
    scraper["metadata"]["namespace"] = "plain"
    strict = "explicitly denied by: mesh/istio_converted_static_strict"
    line = ZTUNNEL.format(reason=strict).replace("172.18.0.2", "10.244.128.9")
    line = line.replace('src.identity="spiffe://cluster.local/ns/shop/sa/ratings" ', "")
    namespaces = (
        samples.namespace(**samples.AMBIENT, **samples.WAYPOINT),
        {"metadata": {"name": "plain"}},
    )
    (group,) = listed(evaluation(pods=(*PODS, scraper), namespaces=namespaces), entry(line, NODE))
    assert group.source == "plain/prometheus"
    assert group.remedies[0].endswith(
        "kubectl label namespace plain istio.io/dataplane-mode=ambient"
    )


def test_a_target_that_is_gone_is_not_named_after_whoever_has_its_address():
    line = ZTUNNEL.format(reason=NOT_ALLOWED).replace("details-0", "details-1")
    heir = pod("ratings", 70, creationTimestamp=WRITTEN)
    (group,) = listed(evaluation(pods=(heir,)), entry(line, NODE))
    assert group.target == "shop/details-1 (gone)"
    assert group.remedies == ()
    (group,) = listed(evaluation(pods=(PODS[0], heir)), entry(line, NODE))
    assert group.target == "shop/details"
    nameless = line.replace('dst.workload="details-1" dst.namespace="shop" ', "")
    (group,) = listed(evaluation(pods=(heir,)), entry(nameless, NODE))
    assert group.target == "10.244.128.70"


HOSTILE = st.one_of(
    st.sampled_from(["$(id)", "`id`", ";id", "'id'", "a b", "*", "{**}", "x\u2028", "-", "|id"]),
    st.text(max_size=8),
)


@given(st.lists(HOSTILE, min_size=6, max_size=6))
@example(["0", "0", *["$(id)"] * 4])
def test_no_text_of_a_line_becomes_part_of_a_command(texts: list[str]):
    account, namespace, path, address, workload, policy = texts
    line = ZTUNNEL.format(reason=f"explicitly denied by: shop/{policy}")
    line = line.replace("shop/sa/ratings", f"{namespace}/sa/{account}")
    line = line.replace("172.18.0.2", address).replace("details-0", workload)
    fields = {
        "start_time": "2026-11-26T09:43:05.413Z",
        "method": account,
        "path": f"/{path}",
        "authority": workload,
        "response_code": 403,
        "response_code_details": "rbac_access_denied_matched_policy[none]",
        "upstream_cluster": f"inbound-vip|9080|http|{namespace}.shop.svc.cluster.local",
        "downstream_local_address": "10.96.154.151:9080",
        "downstream_remote_address": "10.244.128.7:41066",
        "x_forwarded_for": None,
    }
    fields_named = {
        **fields,
        "upstream_cluster": "inbound-vip|80|http|details.shop.svc.cluster.local",
    }
    found = evaluation()
    for text, proxy in ((line, NODE), (json.dumps(fields), WAY), (json.dumps(fields_named), WAY)):
        request = access_log.parse(text)
        for each in listed(found, Entry(request, proxy)) if request else ():
            for remedy in each.remedies:
                if remedy.startswith("add this to the option extra-access of beacon: "):
                    # An entry for a file, of what the option reads.
                    assert beacon.parse_extra_access(remedy.partition(": ")[2])
                    continue
                # What is in single quotes is one word, whatever it has; nothing else is special.
                bare = re.sub(r"'[^']*'", "", remedy) if "kubectl apply" in remedy else remedy
                assert not set(bare.replace(" | kubectl apply", "")) & set("$`|&\\{*\u2028"), (
                    remedy
                )


def test_what_a_ztunnel_logs_about_other_models_is_not_of_this_one():
    line = ZTUNNEL.format(reason=NOT_ALLOWED)
    payroll = line.replace("ns/shop/sa/ratings", "ns/other/sa/payroll")
    secret = line.replace('dst.namespace="shop"', 'dst.namespace="other"')
    secret = secret.replace('"details.shop', '"details.other')
    foreign = secret.replace("ns/shop/sa/ratings", "ns/other/sa/payroll")
    unproven = foreign.replace('src.identity="spiffe://cluster.local/ns/other/sa/payroll" ', "")
    unproven = unproven.replace("172.18.0.2", "10.244.128.7")
    directory = Directory(evaluation().topology)
    found = [
        directory.attempt(entry(each, NODE)).is_of("shop")
        for each in (line, payroll, secret, foreign, unproven)
    ]
    assert found == [True, True, True, False, False]
    assert directory.attempt(entry(waypoint())).is_of("other")


def test_pods_are_looked_through_once_however_many_lines_there_are():
    class Pods(dict[tuple[str, str], Any]):
        reads = 0

        def values(self) -> Any:
            self.reads += 1
            return super().values()

    topology = evaluation().topology
    pods = Pods(topology.pods)
    topology.pods = pods
    directory = Directory(topology)
    first = pods.reads
    for _ in range(5):
        directory.attempt(entry(ZTUNNEL.format(reason=NOT_ALLOWED), NODE))
    assert pods.reads == first + 1
