# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conditions about NetworkPolicies of namespaces and pods on the mesh.

NetworkPolicies add up: what one allows is allowed. Policies of Cilium and Calico with their own
kinds are not read.
"""

import ipaddress
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from istio_ambient import kube
from istio_ambient.preflight._conditions import Area, Cluster, Condition, Effect, Finding
from istio_ambient.preflight._surroundings import PROBE_ADDRESS, NetworkPolicies
from istio_ambient.values.decoded import elements, members
from istio_ambient.values.problem_codes import Code

TUNNEL = 15008
"""The port of all traffic between pods on the mesh (HBONE)."""
_DNS = (53, 5353, "dns", "dns-tcp")
"""Ports of name servers; that of OpenShift's pods among them."""
_DIRECTIONS = {"Ingress": "from", "Egress": "to"}
_SHOWN = 3
MAX_SELECTORS = 300
"""Of a namespace, whose policies are compared with each other: a tenant may write any number."""
_SOURCE = (
    "Istio, Ambient and Kubernetes NetworkPolicy: "
    "https://istio.io/latest/docs/ambient/usage/networkpolicy/"
)


def _rules(policy: kube.Manifest, direction: str) -> Sequence[kube.Manifest]:
    return kube.items(kube.section(policy, "spec"), direction.lower())


def _isolates(policy: kube.Manifest, direction: str) -> bool:
    types = kube.section(policy, "spec").get("policyTypes")
    return (
        direction in types if types else direction == "Ingress" or bool(_rules(policy, direction))
    )


def _selector(policy: kube.Manifest) -> kube.Manifest:
    return kube.section(kube.section(policy, "spec"), "podSelector")


def _matches(selector: kube.Manifest, labels: Mapping[str, str]) -> bool:
    """Return whether a selector may match labels; of its expressions only `In` and `Exists`."""
    wanted = kube.section(selector, "matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for expression in kube.items(selector, "matchExpressions"):
        operator, key = expression.get("operator"), str(expression.get("key"))
        has = labels.get(key) in (expression.get("values") or ())
        if (operator == "In" and not has) or (operator == "Exists" and key not in labels):
            return False
        if (operator == "NotIn" and has) or (operator == "DoesNotExist" and key in labels):
            return False
    return True


def _covers(selector: kube.Manifest, other: kube.Manifest) -> bool:
    """Return whether a selector matches all pods that another one does, as far as labels tell."""
    if selector in ({}, other) or selector == other:
        return True
    wanted = kube.section(selector, "matchLabels")
    return not kube.items(selector, "matchExpressions") and (
        wanted.items() <= kube.section(other, "matchLabels").items()
    )


def _admits_port(rule: kube.Manifest, number: int) -> bool:
    """Return whether a rule allows a TCP port; a port by name is one of the application's."""
    ports = kube.items(rule, "ports")
    return not ports or any(_is_port(port, number) for port in ports)


def _is_port(port: kube.Manifest, number: int) -> bool:
    first = port.get("port")
    if port.get("protocol", "TCP") != "TCP":
        return False
    if first is None:
        return True
    return isinstance(first, int) and first <= number <= int(port.get("endPort") or first)


def _admits_tunnel(rule: kube.Manifest, direction: str) -> bool:
    """Return whether a rule allows traffic on the mesh; a network may be that of pods."""
    peers = kube.items(rule, _DIRECTIONS[direction])
    networks = (kube.section(peer, "ipBlock").get("cidr") for peer in peers)
    between = not peers or any(cidr is None or not _is_host(cidr) for cidr in networks)
    return between and _admits_port(rule, TUNNEL)


def _is_host(cidr: object) -> bool:
    return str(cidr).endswith(("/32", "/128"))


def _is_about_pods(rule: kube.Manifest, direction: str) -> bool:
    """Return whether a rule allows TCP between pods, beside DNS."""
    peers = kube.items(rule, _DIRECTIONS[direction])
    between = not peers or any("ipBlock" not in peer for peer in peers)
    ports = kube.items(rule, "ports")
    tcp = [port for port in ports if port.get("protocol", "TCP") == "TCP"]
    return between and (not ports or any(port.get("port") not in _DNS for port in tcp))


def _admits_probes(rule: kube.Manifest) -> bool:
    peers = kube.items(rule, "from")
    return not peers or any(_holds_probe(kube.section(peer, "ipBlock")) for peer in peers)


def _holds_probe(block: Mapping[str, Any]) -> bool:
    return _is_within(block.get("cidr")) and not any(map(_is_within, block.get("except") or ()))


def _is_within(cidr: object) -> bool:
    """Return whether a network holds the address of probes; what is no network holds none."""
    try:
        return ipaddress.ip_address(PROBE_ADDRESS) in ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        return False


def admits_probes(policies: Iterable[kube.Manifest]) -> bool:
    """Return whether a CiliumClusterwideNetworkPolicy admits probes to every pod of the cluster.

    Args:
        policies: with `spec` or `specs`, as their definition allows.
    """
    specs = (
        members(spec)
        for policy in policies
        for spec in (policy.get("spec"), *elements(policy.get("specs")))
    )
    return any(
        _is_for_all(spec) and any(map(_is_cilium_rule, elements(spec.get("ingress"))))
        for spec in specs
    )


def _is_for_all(spec: Mapping[str, Any]) -> bool:
    return "endpointSelector" in spec and not any(members(spec["endpointSelector"]).values())


def _is_cilium_rule(entry: object) -> bool:
    rule = members(entry)
    sets = (members(each).get("cidr") for each in elements(rule.get("fromCIDRSet")))
    networks = (*elements(rule.get("fromCIDR")), *sets)
    entities = set(map(str, elements(rule.get("fromEntities"))))
    return not entities.isdisjoint(("all", "world")) or any(map(_is_within, networks))


def _on_mesh(cluster: Cluster, direction: str) -> Iterator[tuple[kube.Manifest, list[Any]]]:
    """Yield policies about pods on the mesh, each with the rules of all policies for its pods."""
    found = cluster.policies or NetworkPolicies()
    pods: dict[str, list[Mapping[str, str]]] = {}
    for where, labels in found.pods:
        pods.setdefault(where, []).append(labels)
    for namespace, by_selector in _isolating(found, direction).items():
        whole, there = namespace in found.namespaces, pods.get(namespace, [])
        groups = [*by_selector.values()][:MAX_SELECTORS]
        for group in groups:
            selector = _selector(group[0])
            if whole or any(_matches(selector, labels) for labels in there):
                covering = [each for each in groups if _covers(_selector(each[0]), selector)]
                policies = itertools.chain.from_iterable(covering)
                rules = [rule for each in policies for rule in _rules(each, direction)]
                yield from ((policy, rules) for policy in group)


def _isolating(
    found: NetworkPolicies, direction: str
) -> dict[str, dict[str, list[kube.Manifest]]]:
    """Return the policies that isolate pods, by namespace and by the text of their selector."""
    result: dict[str, dict[str, list[kube.Manifest]]] = {}
    for each in found.policies:
        if _isolates(each, direction):
            selector = json.dumps(_selector(each), sort_keys=True, default=str)
            by_selector = result.setdefault(each["metadata"]["namespace"], {})
            by_selector.setdefault(selector, []).append(each)
    return result


def _tunnel_blocked(cluster: Cluster) -> Iterator[Finding]:
    for direction in _DIRECTIONS:
        blocking = [
            policy
            for policy, rules in _on_mesh(cluster, direction)
            if any(_is_about_pods(rule, direction) for rule in rules)
            and not any(_admits_tunnel(rule, direction) for rule in rules)
        ]
        if blocking:
            yield Finding(
                _names(blocking),
                f"allows ports of applications ({direction.lower()}) and not {TUNNEL}: traffic on "
                "the mesh is cut off",
                f"add port {TUNNEL} (TCP) to its {direction.lower()} rules",
            )


def _probes_blocked(cluster: Cluster) -> Iterator[Finding]:
    cilium = cluster.around.cilium
    if cilium and cilium.admits_probes:
        return
    blocking = [
        policy
        for policy, rules in _on_mesh(cluster, "Ingress")
        if not any(map(_admits_probes, rules))
    ]
    if blocking:
        denied = "denied" if cilium else "denied, depending on the CNI"
        yield Finding(
            _names(blocking),
            f"isolates pods on the mesh: kubelets' probes from {PROBE_ADDRESS} are {denied}",
            f"allow the source {PROBE_ADDRESS}/32",
        )


def _names(policies: Sequence[kube.Manifest]) -> str:
    found = [f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in policies]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"NetworkPolicy {', '.join(found[:_SHOWN])}{more}"


def _is_read(cluster: Cluster) -> bool:
    """Return whether policies were read and are enforced."""
    cilium = cluster.around.cilium
    never = cilium is not None and cilium.config.get("enable-policy", "").lower() == "never"
    return cluster.policies is not None and not never


CONDITIONS = (
    Condition(
        name="policies-tunnel",
        area=Area.POLICIES,
        about="NetworkPolicies",
        title=f"network policies allow port {TUNNEL} between pods on the mesh",
        reads="NetworkPolicies of namespaces and pods on the mesh, of a namespace those for the "
        f"first {MAX_SELECTORS} selectors",
        wrong=f"they allow TCP ports between pods, and no rule for the same pods allows {TUNNEL}",
        code=Code.TUNNEL_BLOCKED,
        sources=(_SOURCE,),
        find=_tunnel_blocked,
        applies=_is_read,
        effect=Effect.CHECK,
    ),
    Condition(
        name="policies-probes",
        area=Area.POLICIES,
        about="NetworkPolicies",
        title="network policies allow kubelets' probes of pods on the mesh",
        reads="the same; with Cilium, CiliumClusterwideNetworkPolicies",
        wrong=f"they isolate pods (ingress), and no rule allows the source `{PROBE_ADDRESS}`",
        code=Code.PROBES_BLOCKED,
        sources=(
            _SOURCE,
            "istio/istio 49277: https://github.com/istio/istio/issues/49277",
        ),
        find=_probes_blocked,
        applies=_is_read,
        effect=Effect.CHECK,
    ),
)
