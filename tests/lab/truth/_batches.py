# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Cases bound to targets, and combined to the batches that are tried together."""

import dataclasses
import random
from collections.abc import Iterator, Sequence

from istio_ambient.authorization import hardened_mode

from tests import authorization_cases
from tests.authorization_cases import Call, Case, Layer, Spec
from tests.lab.truth import _bed
from tests.lab.truth._bed import Manifest

_API = "security.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io"


@dataclasses.dataclass(frozen=True)
class Pair:
    """A request to a target, under the policies of its batch."""

    layer: Layer
    service: tuple[str, str]
    call: Call
    by_sender: bool = False
    """Whether a pod of the source sends it through its own ztunnel, which chooses the way."""

    @property
    def sender(self) -> str | None:
        """The source whose pod sends it; None: the test's own client does."""
        return self.call.source if self.by_sender else None

    def __str__(self) -> str:
        how = f" by the ztunnel of {self.sender}" if self.sender else ""
        return f"{self.layer}, to {'/'.join(self.service)}{how}: {self.call}"


@dataclasses.dataclass(frozen=True)
class Batch:
    """All policies that exist at one time, and the requests sent meanwhile."""

    policies: tuple[Manifest, ...]
    pairs: tuple[Pair, ...]


def batches(
    count: int, seed: int, root_namespace: str, guarded: Sequence[tuple[str, str]]
) -> Iterator[Batch]:
    """Yield batches with `count` pairs in total, the same for the same arguments.

    Args:
        count: number of pairs.
        seed: of the random generator.
        root_namespace: Istio's root namespace.
        guarded: the applications of `GUARDED` that exist.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    left, round_number = count, 0
    while left > 0:
        batch = _batch(seed + 1000 * round_number, chance, root_namespace, guarded)
        yield dataclasses.replace(batch, pairs=batch.pairs[:left])
        left -= len(batch.pairs)
        round_number += 1


def _batch(
    seed: int, chance: random.Random, root: str, guarded: Sequence[tuple[str, str]]
) -> Batch:
    through = [_bed.through(app) for app in guarded if app in _bed.WITH_WAYPOINT]
    l7 = [*_bed.SERVICES, *_bed.SERVED_BY_ALL, *_bed.UNSELECTING, *through]
    policies: list[Manifest] = []
    pairs: list[Pair] = []
    for service, case in zip(l7, _drawn(Layer.L7, len(l7), seed), strict=True):
        policies += _to_service(service, case, chance)
        pairs += [Pair(Layer.L7, service, call) for call in case.calls]
    for app, case in zip(guarded, _drawn(Layer.L4, len(guarded), seed + 1), strict=True):
        policies += _to_pods(app, case)
        pairs += [Pair(Layer.L4, _bed.direct(app), call) for call in case.calls]
        pairs += [_to_pod(Layer.L4, app, call) for call in case.calls[:2]]
    behind = [app for app in guarded if app in _bed.BEHIND]
    for app, case in zip(behind, _drawn(Layer.L7, len(behind), seed + 3), strict=True):
        policies += _to_gateway(_bed.BEHIND[app], case)
        pairs += [_to_pod(Layer.L7, app, call) for call in case.calls]
    policies += _shared(root, seed + 2, chance)
    policies += _peer_authentications(root, guarded, chance)
    policies += _request_authentications(root, l7, seed + 4, chance)
    pairs = [pair for pair in pairs if not (pair.call.port == _TCP and _SNI in str(policies))]
    if guarded:
        pairs = [
            dataclasses.replace(pair, by_sender=pair.by_sender or chance.random() < _BY_SENDER)
            for pair in pairs
        ]
        calls = _drawn(Layer.L7, len(_bed.UNSERVED), seed + 5)
        for service, case in zip(_bed.UNSERVED, calls, strict=True):
            pairs += [Pair(Layer.L7, service, call, by_sender=True) for call in case.calls[:2]]
    chance.shuffle(pairs)
    return Batch(tuple(policies), tuple(pairs))


def _to_pod(layer: Layer, app: tuple[str, str], call: Call) -> Pair:
    """Return a request to a pod's own address, which its ztunnel or a waypoint takes."""
    place = authorization_cases.SERVICE_PORTS.index(call.port)
    ports = authorization_cases.POD_PORTS
    call = dataclasses.replace(call, port=ports[place % len(ports)])
    return Pair(layer, _bed.headless(app), call, by_sender=True)


def _drawn(layer: Layer, count: int, seed: int) -> list[Case]:
    return (
        authorization_cases.drawn(authorization_cases.cases(layer), count, seed) if count else []
    )


def _to_service(service: tuple[str, str], case: Case, chance: random.Random) -> Iterator[Manifest]:
    where, name = service
    for number, policy in enumerate(case.policies):
        ref = {"group": chance.choice(("", "core")), "kind": "Service", "name": name}
        target = {"targetRef": ref} if chance.random() < 0.1 else {"targetRefs": [ref]}
        yield _policy(where, f"{name}-{number}", policy, target)


def _to_gateway(waypoint: str, case: Case) -> Iterator[Manifest]:
    ref = {"group": _GATEWAY_API, "kind": "Gateway", "name": waypoint}
    for number, policy in enumerate(case.policies):
        yield _policy(_bed.NEAR, f"{waypoint}-{number}", policy, {"targetRefs": [ref]})


def _to_pods(guarded: tuple[str, str], case: Case) -> Iterator[Manifest]:
    where, name = guarded
    target = {"selector": {"matchLabels": {_bed.NAME: name}}}
    for number, policy in enumerate(case.policies):
        yield _policy(where, f"{name}-{number}", policy, target)


def _shared(root: str, seed: int, chance: random.Random) -> Iterator[Manifest]:
    """Yield, at random, policies that apply to many targets."""
    l7 = authorization_cases.drawn(authorization_cases.policies(Layer.L7), 2, seed)
    l4 = authorization_cases.drawn(authorization_cases.policies(Layer.L4), 2, seed)
    gateway = {"group": _GATEWAY_API, "kind": "Gateway", "name": _bed.WAYPOINT}
    waypoints = {"group": _GATEWAY_API, "kind": "GatewayClass", "name": "istio-waypoint"}
    choices: list[tuple[float, str, str, Spec, Spec]] = [
        (0.15, _bed.NEAR, "gateway", l7[0], {"targetRefs": [gateway]}),
        (0.15, root, "class", l7[1], {"targetRefs": [waypoints]}),
        (0.15, _bed.NEAR, "namespace", l4[0], {}),
        (0.15, root, "mesh", l4[1], {}),
        # Policies without effect: an empty selector, and a wrong namespace.
        (0.2, _bed.NEAR, "empty-selector", l4[0], {"selector": {}}),
        (0.2, root, "empty-labels", l4[1], {"selector": {"matchLabels": {}}}),
        (0.2, _bed.FAR, "far-gateway", l7[0], {"targetRefs": [gateway]}),
        (0.2, _bed.NEAR, "near-class", l7[1], {"targetRefs": [waypoints]}),
    ]
    for odds, where, name, policy, target in choices:
        if chance.random() < odds:
            yield _policy(where, name, policy, target)
    if chance.random() < 0.25:
        for hardened in hardened_mode.policies(root, "istio-k8s"):
            yield _policy(root, hardened.metadata.name, {"spec": hardened["spec"]}, {})


_BY_SENDER = 0.3
"""Share of the pairs that a pod sends."""
_TCP, _SNI = 81, "connection.sni"
"""The server name inside of TLS, on a port that is not HTTP, is no member of a request."""
_MODES = ("STRICT", "PERMISSIVE", "DISABLE", "UNSET")


def _peer_authentications(
    root: str, guarded: Sequence[tuple[str, str]], chance: random.Random
) -> Iterator[Manifest]:
    """Yield, at random, PeerAuthentications of the mesh, of namespaces and of applications."""
    for where, odds in ((root, 0.3), (_bed.NEAR, 0.3), (_bed.FAR, 0.3)):
        if chance.random() < odds:
            yield _peer_authentication(where, "default", {"mtls": _mode(chance)})
    for where, name in guarded:
        if chance.random() < 0.3:
            spec: Manifest = {"selector": {"matchLabels": {_bed.NAME: name}}}
            if chance.random() < 0.7:
                spec["mtls"] = _mode(chance)
            if chance.random() < 0.7:
                ports = chance.sample(authorization_cases.POD_PORTS, chance.randint(1, 2))
                spec["portLevelMtls"] = {str(port): _mode(chance) for port in ports}
            yield _peer_authentication(where, name, spec)


def _request_authentications(
    root: str, services: Sequence[tuple[str, str]], seed: int, chance: random.Random
) -> Iterator[Manifest]:
    """Yield, at random, RequestAuthentications of Services, waypoints, pods and namespaces."""
    gateway = {"group": _GATEWAY_API, "kind": "Gateway", "name": _bed.WAYPOINT}
    waypoints = {"group": _GATEWAY_API, "kind": "GatewayClass", "name": "istio-waypoint"}
    choices: list[tuple[float, str, str, Spec]] = [
        *(
            (0.25, where, name, {"targetRefs": [{"group": "", "kind": "Service", "name": name}]})
            for where, name in services
        ),
        *(
            (0.25, _bed.NEAR, name, {"targetRefs": [{**gateway, "name": name}]})
            for name in (_bed.FOR_ALL, _bed.FOR_PODS)
        ),
        (0.05, _bed.NEAR, "gateway", {"targetRefs": [gateway]}),
        (0.05, root, "class", {"targetRefs": [waypoints]}),
        # Waypoints do not read these.
        (0.2, _bed.NEAR, "namespace", {}),
        (0.2, root, "mesh", {}),
        (0.2, _bed.NEAR, "pods", {"selector": {"matchLabels": {_bed.NAME: _bed.PLAIN}}}),
    ]
    drawn = authorization_cases.drawn(authorization_cases.authentications(), len(choices), seed)
    for (odds, where, name, target), found in zip(choices, drawn, strict=True):
        if chance.random() < odds:
            yield manifest("RequestAuthentication", where, name, {**found["spec"], **target})


def _mode(chance: random.Random) -> dict[str, str]:
    return {"mode": chance.choice(_MODES)}


def _peer_authentication(where: str, name: str, spec: Manifest) -> Manifest:
    return manifest("PeerAuthentication", where, name, spec)


def _policy(where: str, name: str, policy: Spec, target: Spec) -> Manifest:
    annotations = policy.get("annotations", {})
    spec = {**policy["spec"], **target}
    return manifest("AuthorizationPolicy", where, name, spec, annotations)


def manifest(
    kind: str, where: str, name: str, spec: Manifest, annotations: dict[str, str] | None = None
) -> Manifest:
    """Return an object of Istio's security API."""
    metadata = {"namespace": where, "name": name, "annotations": annotations or {}}
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}
