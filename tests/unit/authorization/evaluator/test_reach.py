# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The list of who may reach whom says what the evaluator says of each single request."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from istio_ambient import authorization
from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Decision, Destination, DestinationKind

from tests import access_reading as reading
from tests.unit.authorization.evaluator import clusters, samples

STRANGERS = ("shop/stranger", "ops/stranger", "elsewhere/stranger")
POD_PORTS = (9080, 9081, 9090, 80, 7)


def requests(snapshot: evaluator.Snapshot) -> Iterator[tuple[evaluator.Request, reading.Asked]]:
    """Yield requests of all clients to all targets, as asked of the evaluator and of the list."""
    topology = evaluator.Topology(snapshot)
    clients: list[str | None] = [None, *clusters.IDENTITIES, *STRANGERS]
    targets: list[tuple[Destination, str, str, tuple[int, ...]]] = []
    for key, service in topology.services.items():
        if service["spec"]["clusterIP"] != "None":
            ports = tuple(each["port"] for each in service["spec"]["ports"])
            targets.append((Destination.service(*key), "/".join(key), "", ports))
    for key, pod in topology.pods.items():
        name = f"{key[0]}/{evaluator.application(pod)}"
        targets.append((Destination.pod(*key), name, key[1], POD_PORTS))
    for identity, (destination, name, pod, ports) in itertools.product(clients, targets):
        off_mesh = identity is not None and topology.is_off_mesh(identity)
        service = destination.kind is DestinationKind.SERVICE
        for port, method, path in itertools.product(ports, clusters.METHODS, clusters.PATHS):
            asked = reading.Asked(
                identity=None if off_mesh else identity,
                is_gateway=identity == clusters.GATEWAY,
                destination=name,
                kind=str(DestinationKind.SERVICE if service else DestinationKind.WORKLOAD),
                pod=pod,
                port=port,
                method=method,
                path=path,
            )
            request = evaluator.Request(
                identity, destination, port, method=method, path=path, host="h", headers={}
            )
            yield request, asked


def decided(evaluation: evaluator.Evaluator, request: evaluator.Request) -> Decision:
    return evaluation.evaluate(request).decision


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_list_says_of_each_request_what_the_evaluator_decides(seed: int):
    snapshot = clusters.cluster(seed)
    evaluation, reach = evaluator.Evaluator(snapshot), evaluator.Reach(snapshot)
    listed, known = reach.all(), set(reach.destinations())
    wrong: list[str] = []
    for request, asked in requests(snapshot):
        expected = decided(evaluation, request)
        target = Destination(DestinationKind(asked.kind), *asked.destination.split("/"))
        if target not in known:
            # Nothing of the mesh is on the way.
            if expected is Decision.DENIED:
                wrong.append(f"{asked}: not listed, and {expected}")
        elif (said := reading.decision(listed, asked)) is not expected:
            wrong.append(f"{asked}: {said}, not {expected}")
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_differences_are_those_of_single_requests(seed: int):
    opened = clusters.cluster(seed, hardened=False)
    closed = dataclasses.replace(opened, policies=(*opened.policies, *samples.hardened()))
    before, after = evaluator.Evaluator(opened), evaluator.Evaluator(closed)
    found = evaluator.differences(evaluator.Reach(opened), evaluator.Reach(closed))
    wrong: list[str] = []
    for request, asked in requests(opened):
        expected = decided(before, request), decided(after, request)
        about = [each for each in found if reading.about([each.where], asked)]
        said = expected[0], expected[0]
        if about:
            old = [each.before for each in about if each.before]
            new = [each.after for each in about if each.after]
            said = reading.decision(old, asked), reading.decision(new, asked)
        if said != expected:
            wrong.append(f"{asked}: {said}, not {expected}")
    assert not wrong


def test_the_evaluator_is_asked_a_few_times_for_each_application(monkeypatch: pytest.MonkeyPatch):
    asked = 0
    evaluate = evaluator.Evaluator.evaluate

    def counted(self: evaluator.Evaluator, request: evaluator.Request) -> evaluator.Verdict:
        nonlocal asked
        asked += 1
        return evaluate(self, request)

    monkeypatch.setattr(evaluator.Evaluator, "evaluate", counted)
    counts: dict[int, int] = {}
    for applications in (10, 100):
        asked = 0
        listed = evaluator.Reach(_many(applications)).all()
        # Three clients of each Service, each from a policy of its own.
        assert sum(each.client is evaluator.Client.IDENTITY for each in listed) == 3 * applications
        counts[applications] = asked
    assert counts[100] == 10 * counts[10]
    assert counts[100] <= 16 * 100


def test_a_pattern_in_a_policy_of_the_mesh_makes_no_source_of_every_workload(
    monkeypatch: pytest.MonkeyPatch,
):
    compared = 0
    clients = type(evaluator.Reach(_many(1)).clients)
    signature = clients.signature

    def counted(*args: Any) -> tuple[object, ...]:
        nonlocal compared
        compared += 1
        return signature(*args)

    monkeypatch.setattr(clients, "signature", counted)
    wide = samples.policy(
        "wide", "mesh", rules=[{"from": [{"source": {"namespaces": ["sh*", "*op"]}}]}]
    )
    counts: dict[int, int] = {}
    for applications in (10, 100):
        compared = 0
        snapshot = _many(applications)
        snapshot = dataclasses.replace(snapshot, policies=(*snapshot.policies, wide))
        listed = evaluator.Reach(snapshot).all()
        # What the policies of one application name is told apart, at its own Service only.
        named = [each for each in listed if each.client is evaluator.Client.IDENTITY]
        assert len(named) == 3 * applications
        counts[applications] = compared
    assert counts[100] == 10 * counts[10]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_nodes_reach_what_is_said_of_them(seed: int):
    snapshot = clusters.cluster(seed)
    evaluation, reach = evaluator.Evaluator(snapshot), evaluator.Reach(snapshot)
    more_open = set(reach.reached_by_nodes())
    for destination in reach.destinations():
        if destination.kind is not DestinationKind.WORKLOAD:
            continue
        decisions = {
            kind: {
                evaluation.evaluate(
                    evaluator.Request(None, evaluator.Destination.pod(*key), port, client=kind)
                ).decision
                for key, pod in evaluation.topology.pods.items()
                if (key[0], evaluator.application(pod))
                == (destination.namespace, destination.name)
                for port in POD_PORTS
            }
            for kind in (evaluator.ClientKind.NODE, evaluator.ClientKind.OUTSIDE)
        }
        assert decisions[evaluator.ClientKind.NODE] == {Decision.ALLOWED}
        closed = decisions[evaluator.ClientKind.OUTSIDE] != {Decision.ALLOWED}
        assert (destination in more_open) is closed


def test_without_policies_nodes_reach_no_more_than_others():
    open_to_all = evaluator.Reach(samples.snapshot(auto_allow=False))
    assert open_to_all.reached_by_nodes() == []
    behind = evaluator.Reach(samples.snapshot(auto_allow=True))
    assert behind.reached_by_nodes() == [samples.PODS]


@pytest.mark.parametrize("identity", ["shop/sa/web", "shop/sa/*"])
def test_cluster_local_names_identities_of_the_mesh_whatever_its_trust_domain(identity: str):
    rules = [{"from": [{"source": {"principals": [f"cluster.local/ns/{identity}"]}}]}]
    policy = samples.policy(targetRefs=samples.TO_DETAILS, rules=rules)
    mesh = authorization.MeshSettings(trust_domain="other.example")
    found = evaluator.Reach(samples.snapshot(policy, mesh=mesh)).all()
    at_service = [each for each in found if each.kind is DestinationKind.SERVICE]
    assert [each.source for each in at_service] == [identity.replace("/sa/", "/")]


def _many(applications: int) -> evaluator.Snapshot:
    """Return a mesh in hardened mode with three policies for each application."""
    names = [f"app-{number}" for number in range(applications)]
    policies = [
        samples.policy(
            f"{name}-{caller}",
            targetRefs=[{"group": "", "kind": "Service", "name": name}],
            rules=[{"from": [{"source": {"principals": [_principal(names, number, caller)]}}]}],
        )
        for number, name in enumerate(names)
        for caller in (1, 2, 3)
    ]
    selectors = [{"app.kubernetes.io/name": name} for name in names]
    return samples.snapshot(
        *policies,
        *samples.hardened(),
        pods=tuple(samples.pod(f"{name}-0", name, name) for name in names),
        services=tuple(
            samples.service(name, selector=selector, clusterIP="10.96.0.1")
            for name, selector in zip(names, selectors, strict=True)
        ),
    )


def _principal(names: list[str], number: int, caller: int) -> str:
    return f"cluster.local/ns/shop/sa/{names[(number + caller) % len(names)]}"
