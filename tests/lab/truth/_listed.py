# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The list of who may reach whom, compared with requests that pods of a small mesh send."""

import collections
import itertools
import time
from collections.abc import Iterator

from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.authorization.evaluator import Decision, DestinationKind

from tests import access_reading, authorization_cases, lab
from tests.lab.truth import _batches, _bed, _trial
from tests.lab.truth._bed import FAR, NEAR, Bed, Manifest

SENDERS = ("team-a/web", "team-a/web-2", "team-b/api", "truth/web")
"""The last ones have identities that no policy names."""
OPERATIONS = (("GET", "/a/b"), ("GET", "/other"), ("DELETE", "/a/b"))
_PORTS = (80, 81)
_SERVICES = (
    *((NEAR, f"s{number}") for number in range(4)),
    _bed.SERVED_BY_ALL[0],
    _bed.UNSERVED[0],
    _bed.through(_bed.GUARDED[0]),
    _bed.through(_bed.GUARDED[2]),
    _bed.direct(_bed.GUARDED[0]),
    _bed.direct(_bed.GUARDED[5]),
)
_APPLICATIONS = (_bed.GUARDED[0], _bed.GUARDED[5], *_bed.BEHIND, _bed.BYPASSED)


def policies(root_namespace: str, *, hardened: bool) -> list[Manifest]:
    """Return policies of every kind that the list tells apart."""
    web, near_web = _principals("team-a/web"), _principals("team-a/web", "truth/web")
    reads = {"operation": {"methods": ["GET"], "paths": ["/a/*"]}}
    found = [
        _to_service("s0", [{"from": [web], "to": [reads]}]),
        _to_service("s1", [{"to": [{"operation": {"methods": ["DELETE"]}}]}], action="DENY"),
        _to_service("s2", [{"from": [{"source": {"namespaces": ["team-*"]}}]}]),
        _to_service(f"through-{_bed.GUARDED[0][1]}", [{"from": [web]}]),
        _to_pods(_bed.GUARDED[0], [{"from": [_principals("team-a/web-2")]}]),
        _to_pods(
            _bed.BYPASSED,
            [{"from": [near_web], "to": [{"operation": {"ports": ["9080"]}}]}],
        ),
        _to_waypoint(_bed.FOR_ALL, [{"from": [near_web], "to": [reads]}]),
        _batches.manifest("PeerAuthentication", FAR, "default", {"mtls": {"mode": "STRICT"}}),
    ]
    if hardened:
        for each in hardened_mode.policies(root_namespace, "istio-k8s"):
            name = each.metadata.name
            found.append(
                _batches.manifest("AuthorizationPolicy", root_namespace, name, each["spec"])
            )
    return found


def compare(bed: Bed, *, hardened: bool) -> tuple[collections.Counter[Decision], list[str]]:
    """Send what the list says passes and does not; return counts, and what is otherwise."""
    objects = policies(bed.root, hardened=hardened)
    bed.put(objects)
    listed = evaluator.Reach(bed.snapshot(objects)).all()
    counts: collections.Counter[Decision] = collections.Counter()
    doubtful: list[tuple[str | None, access_reading.Asked]] = []
    for sender, asked in _questions(bed):
        said = access_reading.decision(listed, asked)
        counts[said] += 1
        if said is not Decision.CONDITIONAL and said is not _answer(bed, sender, asked):
            doubtful.append((sender, asked))
    if doubtful:
        # A proxy may not have received the policies yet.
        time.sleep(_trial.PATIENCE)
    wrong = [
        f"{asked} by {sender}: {said}, and really {found}"
        for sender, asked in doubtful
        for said in [access_reading.decision(listed, asked)]
        for found in [_answer(bed, sender, asked)]
        if said is not found
    ]
    return counts, wrong


def _questions(bed: Bed) -> Iterator[tuple[str | None, access_reading.Asked]]:
    """Yield each request, and the pod that sends it: `<namespace>/<name>`."""
    senders = [*SENDERS, None]
    targets = [*((service, "") for service in _SERVICES)]
    targets += [(app, bed.pod_of(app)) for app in _APPLICATIONS]
    for source, (target, pod), operation in itertools.product(senders, targets, OPERATIONS):
        kind = DestinationKind.WORKLOAD if pod else DestinationKind.SERVICE
        for port in authorization_cases.POD_PORTS if pod else _PORTS:
            yield (
                source,
                access_reading.Asked(
                    identity=source,
                    is_gateway=False,
                    destination="/".join(target),
                    kind=str(kind),
                    pod=pod,
                    port=port,
                    method=operation[0],
                    path=operation[1],
                ),
            )


def _answer(bed: Bed, source: str | None, asked: access_reading.Asked) -> Decision:
    target = tuple(asked.destination.split("/"))
    where, name = _bed.headless((target[0], target[1])) if asked.pod else target
    response = bed.cluster.request(
        None,
        f"{where}/{name}:{asked.port}",
        method=asked.method,
        path=asked.path,
        headers={lab.CLOSE_HEADER: "true"},
        pod=_bed.sender(source) if source else bed.outside,
        captured=source is not None,
    )
    passed = response.hop == "application" and response.status == 200
    return Decision.ALLOWED if passed else Decision.DENIED


def _principals(*sources: str) -> Manifest:
    names = [f"cluster.local/ns/{source.replace('/', '/sa/')}" for source in sources]
    return {"source": {"principals": names}}


def _to_service(name: str, rules: list[Manifest], action: str = "ALLOW") -> Manifest:
    ref = {"group": "", "kind": "Service", "name": name}
    spec = {"action": action, "targetRefs": [ref], "rules": rules}
    return _batches.manifest("AuthorizationPolicy", NEAR, name, spec)


def _to_waypoint(name: str, rules: list[Manifest]) -> Manifest:
    ref = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}
    return _batches.manifest(
        "AuthorizationPolicy", NEAR, name, {"targetRefs": [ref], "rules": rules}
    )


def _to_pods(app: tuple[str, str], rules: list[Manifest]) -> Manifest:
    selector = {"matchLabels": {_bed.NAME: app[1]}}
    return _batches.manifest("AuthorizationPolicy", *app, {"selector": selector, "rules": rules})
