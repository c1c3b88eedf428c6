# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""PeerAuthentications as ztunnel enforces them: DENY policies about clients without an identity.

The oldest of the mesh, of the namespace and of the workload count, and each replaces the former
where it has a mode (istio.io/istio, pilot/pkg/serviceregistry/ambient/authorization.go). Waypoints
take encrypted connections only, whatever a PeerAuthentication says.
"""

from collections.abc import Iterable, Mapping, Sequence

from istio_ambient import kube
from istio_ambient.authorization.evaluator import _policies, _snapshot
from istio_ambient.authorization.evaluator._policies import Check, Clause, Policy, Rule
from istio_ambient.authorization.evaluator._snapshot import Manifest
from istio_ambient.authorization.evaluator._verdict import PolicyRef

_STRICT, _PERMISSIVE, _DISABLE, _UNSET = "STRICT", "PERMISSIVE", "DISABLE", "UNSET"
_OPEN = (_PERMISSIVE, _DISABLE)
_WITHOUT_IDENTITY = Check(_policies.PRINCIPAL, not_values=("*",))


def policies(
    pod: Manifest, by_namespace: Mapping[str, Sequence[Manifest]], root_namespace: str
) -> list[Policy]:
    """Return the DENY policies at a pod that follow from PeerAuthentications.

    Args:
        pod: the pod.
        by_namespace: the PeerAuthentications of the cluster.
        root_namespace: Istio's root namespace.
    """
    where = _snapshot.namespace(pod)
    at_root = (each for each in by_namespace.get(root_namespace, ()) if not _selector(each))
    near = () if where == root_namespace else by_namespace.get(where, ())
    mesh = _oldest(at_root)
    namespace = _oldest(each for each in near if not _selector(each))
    workload = _oldest(
        each
        for each in near
        if _selector(each) and _selector(each).items() <= _snapshot.labels(pod).items()
    )
    inherited = next(
        (each for each in (namespace, mesh) if each is not None and _mode(each) != _UNSET), None
    )
    if workload is None:
        return _everywhere(inherited)
    ports = _ports(workload)
    mode = _mode(workload)
    if mode == _UNSET:
        if inherited is not None and _mode(inherited) == _STRICT:
            return _unset_in_strict(workload, inherited, namespace, ports)
        return _at_ports(workload, _with_mode(ports, (_STRICT,)))
    if mode == _STRICT:
        return _everywhere(workload, excluded=_with_mode(ports, _OPEN))
    return _at_ports(workload, _with_mode(ports, (_STRICT,)))


def _unset_in_strict(
    workload: Manifest, inherited: Manifest, namespace: Manifest | None, ports: Mapping[str, str]
) -> list[Policy]:
    """Return the policies of a workload without a mode of its own, where plain text is refused."""
    if not _with_mode(ports, (_PERMISSIVE,)):
        return _everywhere(inherited)  # istiod ignores DISABLE alone.
    if namespace is not None and _mode(namespace) == _UNSET:
        return []  # istiod names a policy at the pod that it does not make.
    return _everywhere(workload, excluded=_with_mode(ports, _OPEN))


def _everywhere(found: Manifest | None, excluded: tuple[str, ...] = ()) -> list[Policy]:
    if found is None or _mode(found) in _OPEN:
        return []
    return [_policy(found, Check(_policies.PORT, not_values=excluded))]


def _at_ports(found: Manifest, ports: tuple[str, ...]) -> list[Policy]:
    return [_policy(found, Check(_policies.PORT, ports))] if ports else []


def _policy(found: Manifest, ports: Check) -> Policy:
    where, name = _snapshot.key(found)
    ref = PolicyRef(
        where,
        name,
        action=_policies.DENY,
        metadata=found["metadata"],
        kind=_policies.PEER_AUTHENTICATION,
    )
    clause: Clause = _policies.restricting([ports])
    rule = Rule(sources=((_WITHOUT_IDENTITY,),), operations=(clause,) if clause else ())
    return Policy(ref, _policies.DENY, (rule,))


def _oldest(found: Iterable[Manifest]) -> Manifest | None:
    return min(found, key=_age, default=None)


def _age(found: Manifest) -> tuple[str, str]:
    return str(found["metadata"].get("creationTimestamp", "")), _snapshot.name(found)


def _selector(found: Manifest) -> dict[str, str]:
    return kube.section(kube.section(_snapshot.spec(found), "selector"), "matchLabels")


def _mode(found: Manifest) -> str:
    return str(kube.section(_snapshot.spec(found), "mtls").get("mode") or _UNSET)


def _ports(found: Manifest) -> dict[str, str]:
    """Return the modes by port number."""
    ports = kube.section(_snapshot.spec(found), "portLevelMtls")
    return {port: str(kube.section(ports, port).get("mode") or _UNSET) for port in ports}


def _with_mode(ports: Mapping[str, str], modes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(port for port, mode in ports.items() if mode in modes))
