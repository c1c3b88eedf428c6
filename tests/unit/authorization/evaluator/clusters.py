# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Small clusters at random: applications, waypoints, gateways and policies of every kind."""

import random
from typing import Any

from istio_ambient.authorization import evaluator

from tests.unit.authorization.evaluator import samples

METHODS, PATHS = ("GET", "DELETE"), ("/", "/a/b", "/health")
"""By which requests differ; policies name these and others."""
NAMESPACES = ("shop", "ops")
APPS = ("web", "details", "db")
GATEWAY = "shop/door-istio"
IDENTITIES = ("shop/web", "shop/details", "shop/db", "ops/web", "ops/job", "far/away", GATEWAY)
PRINCIPALS = (
    *(f"cluster.local/ns/{identity.replace('/', '/sa/')}" for identity in IDENTITIES),
    "cluster.local/ns/shop/*",
    "cluster.local/ns/*",
    "*/sa/web",
    "cluster.local/ns/shop/sa/way",
    "other.example/ns/shop/sa/web",
    "*",
)
PORTS = {"http": (80, 9080), "tcp-db": (81, 9081), "plain": (82, 9080)}

Manifest = dict[str, Any]


def cluster(seed: int, *, hardened: bool | None = None) -> evaluator.Snapshot:
    """Return the cluster of a seed, in hardened mode or not; None: as the seed has it."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    policies = [_policy(chance, f"p{n}") for n in range(chance.randrange(10))]
    is_hardened = chance.random() < 0.4 if hardened is None else hardened
    return samples.snapshot(
        *policies,
        *(samples.hardened() if is_hardened else ()),
        auto_allow=chance.random() < 0.5,
        namespaces=tuple(_namespace(chance, name) for name in NAMESPACES),
        pods=tuple(_pods(chance)),
        services=tuple(_services(chance)),
        gateways=tuple(_gateways(chance)),
        peer_authentications=tuple(_peer_authentications(chance)),
        with_waypoint_pods=False,
    )


def _namespace(chance: random.Random, name: str) -> Manifest:
    labels = samples.AMBIENT if chance.random() < 0.75 else {}
    if chance.random() < 0.6:
        labels = {**labels, **_waypoint(chance)}
    return samples.namespace(name, **labels)


def _waypoint(chance: random.Random) -> dict[str, str]:
    named = chance.choice(("way", "way", "way", "door", "absent", "none"))
    return {"istio.io/use-waypoint": named, "istio.io/use-waypoint-namespace": "shop"}


def _labels(chance: random.Random) -> dict[str, str]:
    labels = _waypoint(chance) if chance.random() < 0.25 else {}
    if chance.random() < 0.25:
        labels["istio.io/dataplane-mode"] = chance.choice(("ambient", "none"))
    return labels


def _pods(chance: random.Random) -> list[Manifest]:
    found = [
        samples.pod(f"{app}-{number}", app, app, where, _labels(chance))
        for where in NAMESPACES
        for app in APPS
        for number in range(chance.choice((0, 1, 1, 2)))
    ]
    proxies = [("way", "way")] * chance.choice((0, 1, 1)) + [("door", "door-istio")]
    for name, account in proxies:
        labels = {
            "gateway.networking.k8s.io/gateway-name": name,
            "istio.io/dataplane-mode": "none",
        }
        found.append(samples.pod(f"{name}-0", name, account, "shop", labels))
    for pod in found:
        if chance.random() < 0.2:
            pod["metadata"]["annotations"] = {}
        if chance.random() < 0.2:
            pod["metadata"]["annotations"] = {**samples.CAPTURED, **samples.BYPASS}
    for number, pod in enumerate(found):
        pod["status"]["podIP"] = f"10.244.0.{10 + number}"
    return found


def _services(chance: random.Random) -> list[Manifest]:
    found: list[Manifest] = []
    for where in NAMESPACES:
        for app in APPS:
            ports = chance.sample(sorted(PORTS), chance.choice((1, 1, 2, 3)))
            spec: dict[str, Any] = {
                "selector": {"app.kubernetes.io/name": app},
                "clusterIP": "10.96.0.1",
                "ports": [
                    {"name": name, "port": PORTS[name][0], "targetPort": PORTS[name][1]}
                    for name in ports
                ],
            }
            if chance.random() < 0.15:
                spec["clusterIP"] = "None"
            elif chance.random() < 0.15:
                spec["selector"] = {}
            service = samples.service(app, labels=_labels(chance), **spec)
            service["metadata"]["namespace"] = where
            if chance.random() < 0.2:
                service["metadata"]["labels"]["istio.io/ingress-use-waypoint"] = "true"
            found.append(service)
    return found


def _gateways(chance: random.Random) -> list[Manifest]:
    traffic = chance.choice(("service", "service", "all", "workload", "none"))
    labels = {"istio.io/waypoint-for": traffic}
    door = samples.gateway("door")
    door["spec"]["gatewayClassName"] = "istio"
    return [samples.gateway(labels=labels, ready=chance.random() < 0.9), door]


def _peer_authentications(chance: random.Random) -> list[Manifest]:
    modes = ("STRICT", "STRICT", "PERMISSIVE", "UNSET")
    found: list[Manifest] = []
    for where in ("mesh", *NAMESPACES):
        if chance.random() < 0.3:
            found.append(samples.policy("peers", where, mtls={"mode": chance.choice(modes)}))
        if where != "mesh" and chance.random() < 0.3:
            labels = {"app.kubernetes.io/name": chance.choice(APPS)}
            ports = {chance.choice(("9080", "9081")): {"mode": chance.choice(modes)}}
            spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "portLevelMtls": ports}
            found.append(
                samples.policy("ports", where, mtls={"mode": chance.choice(modes)}, **spec)
            )
    return found


def _policy(chance: random.Random, name: str) -> Manifest:
    where = chance.choice((*NAMESPACES, "shop", "mesh"))
    action = chance.choice(("ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "CUSTOM"))
    spec: dict[str, Any] = {"action": action}
    if action == "CUSTOM":
        spec["provider"] = {"name": "login"}
    spec["rules"] = [_rule(chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    target = chance.random()
    if where == "mesh" and target < 0.5:
        spec["targetRefs"] = samples.TO_CLASS
    elif target < 0.45:
        spec["targetRefs"] = [{"group": "", "kind": "Service", "name": chance.choice(APPS)}]
    elif target < 0.55:
        spec["targetRefs"] = samples.TO_GATEWAY
    elif target < 0.9:
        labels = {"app.kubernetes.io/name": chance.choice(APPS)}
        spec["selector"] = {"matchLabels": labels}
    return samples.policy(name, where, **spec)


def _rule(chance: random.Random) -> Manifest:
    rule: Manifest = {}
    if chance.random() < 0.9:
        rule["from"] = [{"source": _source(chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.45:
        rule["to"] = [{"operation": _operation(chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.15:
        key = chance.choice(("request.headers[x-tenant]", "source.namespace", "destination.ip"))
        values = {"destination.ip": ["10.244.0.10", "10.244.0.12"]}.get(key, ["shop"])
        rule["when"] = [{"key": key, chance.choice(("values", "notValues")): values}]
    return rule


def _source(chance: random.Random) -> Manifest:
    pools = {
        "principals": PRINCIPALS,
        "namespaces": ("shop", "ops", "far", "sh*", "*"),
        "serviceAccounts": ("web", "ops/job"),
        "ipBlocks": ("10.0.0.0/8",),
    }
    found: Manifest = {}
    for member in chance.sample([*pools, "principals", "principals"], chance.choice((1, 1, 1, 2))):
        if member == "serviceAccounts" and found:
            continue
        negated = f"not{member[0].upper()}{member[1:]}" if chance.random() < 0.2 else member
        found[negated] = chance.sample(
            pools[member], min(len(pools[member]), 1 + chance.randrange(2))
        )
    return found


def _operation(chance: random.Random) -> Manifest:
    pools: dict[str, tuple[str, ...]] = {
        "methods": (*METHODS, "POST"),
        "paths": (*PATHS, "/a/*", "*"),
        "ports": ("80", "81", "9080", "9081", "9090"),
    }
    found: Manifest = {}
    for member in chance.sample(sorted(pools), chance.choice((1, 1, 2))):
        negated = f"not{member[0].upper()}{member[1:]}" if chance.random() < 0.2 else member
        found[negated] = chance.sample(pools[member], 1 + chance.randrange(2))
    return found
