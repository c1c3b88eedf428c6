# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What hardened mode would do to every workload on the mesh: read from policies, nothing changed.

ztunnel decides at the pod, by ALLOW policies that select it; a waypoint before a Service, by those
that target the Service or the waypoint. Hardened mode adds an allow-nothing policy to both, so a
workload stays reachable where another ALLOW policy has a rule for it. See
https://istio.io/latest/docs/reference/config/security/authorization-policy/.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from istio_ambient import action_output
from istio_ambient.mesh import _membership, hardened_mode

Manifest = Mapping[str, Any]

CUT_OFF, CLOSED, REACHABLE = "cut off", "closed already", "stays reachable"
EVERYBODY = "*"

_OF_SINGLE_PODS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
_ONLY_AT_WAYPOINTS = frozenset({"hosts", "methods", "paths", "requestPrincipals"})
_HEADINGS = ("WORKLOAD", "PODS", "POLICIES", "LET IN", "IN HARDENED MODE")


@dataclasses.dataclass(frozen=True, order=True)
class Outlook:
    """One workload, and what hardened mode would mean to it."""

    namespace: str
    application: str
    pods: int
    policies: tuple[str, ...]
    """Namespace and name of the ALLOW policies that speak of it; hardened mode's own left out."""
    admits: tuple[str, ...]
    """Who may still come in, as `shop/productpage`; `*` is everybody."""
    outlook: str
    """`cut off`: open today and to nobody then; `closed already`; `stays reachable`."""


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Everything that the outlook is read from, in JSON form."""

    root_namespace: str
    auto_allow: bool
    """Whether ztunnel lets a workload's own waypoint through, whatever its policies say."""
    pods: tuple[Manifest, ...] = ()
    namespaces: tuple[Manifest, ...] = ()
    services: tuple[Manifest, ...] = ()
    policies: tuple[Manifest, ...] = ()


def outlooks(mesh: Mesh) -> list[Outlook]:
    """Return what hardened mode would mean to each workload on the mesh, sorted."""
    labels = {_name(each): _labels(each) for each in mesh.namespaces}
    groups: dict[tuple[str, str, frozenset[tuple[str, str]]], list[Manifest]] = {}
    for pod in mesh.pods:
        if _on_mesh(pod, labels.get(_namespace(pod), {})):
            lasting = {k: v for k, v in _labels(pod).items() if k not in _OF_SINGLE_PODS}
            key = _namespace(pod), _application(pod), frozenset(lasting.items())
            groups.setdefault(key, []).append(pod)
    return sorted(_outlook(mesh, labels, group) for group in groups.values())


def table(found: Iterable[Outlook]) -> str:
    """Return the outlooks for people to read, one a line."""
    return action_output.table(_HEADINGS, map(_row, found), empty="no workload is on the mesh")


def _row(each: Outlook) -> tuple[str, ...]:
    return (
        f"{each.namespace}/{each.application}",
        str(each.pods),
        ", ".join(each.policies) or "none",
        ", ".join(each.admits) or "nobody",
        each.outlook,
    )


def _outlook(
    mesh: Mesh, namespaces: Mapping[str, Mapping[str, str]], pods: list[Manifest]
) -> Outlook:
    pod = pods[0]
    at_pod = [policy for policy in mesh.policies if _selects(policy, pod, mesh.root_namespace)]
    admits = {who for policy in at_pod for who in _sources(policy, at_waypoint=False)}
    before = [
        policy
        for service in mesh.services
        if _is_behind(pod, service)
        for waypoint in _waypoint(service, namespaces.get(_namespace(service), {}))
        for policy in mesh.policies
        if _targets(policy, service, waypoint, mesh.root_namespace)
    ]
    through = {who for policy in before for who in _sources(policy, at_waypoint=True)}
    if mesh.auto_allow or admits:
        admits |= through
    speaking = [p for p in (*at_pod, *before) if not _is_meshwide(p, mesh.root_namespace)]
    # Not let through, a waypoint's policies no longer help whom they let in.
    open_today = not speaking or bool(through - admits)
    outlook = REACHABLE if admits else CUT_OFF if open_today else CLOSED
    names = sorted({f"{_namespace(policy)}/{_name(policy)}" for policy in speaking})
    return Outlook(
        namespace=_namespace(pod),
        application=_application(pod),
        pods=len(pods),
        policies=tuple(names),
        admits=tuple(sorted(admits)),
        outlook=outlook,
    )


def _on_mesh(pod: Manifest, namespace: Mapping[str, str]) -> bool:
    running = pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    key = _membership.DATAPLANE_MODE
    mode = _labels(pod).get(key, namespace.get(key))
    return running and mode == "ambient" and not pod.get("spec", {}).get("hostNetwork")


def _application(pod: Manifest) -> str:
    labels = _labels(pod)
    owners = _maps(pod["metadata"], "ownerReferences")
    return (
        labels.get("app.kubernetes.io/name")
        or labels.get("app")
        or (owners[0]["name"] if owners else _name(pod))
    )


def _selects(policy: Manifest, pod: Manifest, root_namespace: str) -> bool:
    """Tell whether ztunnel heeds an ALLOW policy at this pod."""
    spec = _spec(policy)
    wanted = _map(_map(spec, "selector"), "matchLabels")
    return (
        _allows(spec)
        and not _target_refs(spec)
        and _namespace(policy) in (_namespace(pod), root_namespace)
        and wanted.items() <= _labels(pod).items()
    )


def _is_behind(pod: Manifest, service: Manifest) -> bool:
    selector = _map(_spec(service), "selector")
    same = _namespace(pod) == _namespace(service)
    return bool(selector) and same and selector.items() <= _labels(pod).items()


def _waypoint(service: Manifest, namespace: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of the waypoint before a Service, if it has one."""
    labels = _labels(service)
    source = labels if _membership.USE_WAYPOINT in labels else namespace
    name = source.get(_membership.USE_WAYPOINT, "none")
    if name != "none":
        yield source.get(_membership.USE_WAYPOINT_NAMESPACE, _namespace(service)), name


def _targets(
    policy: Manifest, service: Manifest, waypoint: tuple[str, str], root_namespace: str
) -> bool:
    """Tell whether the waypoint before a Service heeds an ALLOW policy there."""
    spec, where = _spec(policy), _namespace(policy)
    heeded = {
        ("Service", _namespace(service), _name(service)),
        ("Gateway", *waypoint),
        ("GatewayClass", root_namespace, hardened_mode.WAYPOINT_CLASS),
    }
    named = {(ref.get("kind"), where, ref.get("name")) for ref in _target_refs(spec)}
    return _allows(spec) and bool(heeded & named)


def _sources(policy: Manifest, *, at_waypoint: bool) -> Iterator[str]:
    for rule in _maps(_spec(policy), "rules"):
        # What ztunnel cannot check it takes for not fulfilled.
        if at_waypoint or not _needs_waypoint(rule):
            origins = [_map(origin, "source") for origin in _maps(rule, "from")]
            yield from (who for origin in origins or [{}] for who in _who(origin))


def _needs_waypoint(rule: Manifest) -> bool:
    parts = [
        *(_map(to, "operation") for to in _maps(rule, "to")),
        *(_map(origin, "source") for origin in _maps(rule, "from")),
    ]
    used = {key.removeprefix("not") for part in parts for key in part}
    requests = any(str(c.get("key", "")).startswith("request.") for c in _maps(rule, "when"))
    return requests or any(key[:1].lower() + key[1:] in _ONLY_AT_WAYPOINTS for key in used)


def _who(source: Mapping[str, list[str]]) -> list[str]:
    if source.get("principals"):
        return [_short(principal) for principal in source["principals"]]
    if source.get("serviceAccounts"):
        return source["serviceAccounts"]
    if source.get("namespaces"):
        return [f"{namespace}/*" for namespace in source["namespaces"]]
    return source.get("ipBlocks") or source.get("requestPrincipals") or [EVERYBODY]


def _short(principal: str) -> str:
    """Return `<namespace>/<service account>` of `<trust domain>/ns/<…>/sa/<…>`."""
    head, _, account = principal.partition("/sa/")
    return f"{head.rpartition('/')[2]}/{account}" if account else principal


def _is_meshwide(policy: Manifest, root_namespace: str) -> bool:
    """Tell whether a policy is what hardened mode is made of: allow nothing, everywhere."""
    spec = _spec(policy)
    kinds = {ref.get("kind") for ref in _target_refs(spec)}
    everywhere = not spec.get("selector") and kinds <= {"GatewayClass"}
    return _namespace(policy) == root_namespace and everywhere and not spec.get("rules")


def _target_refs(spec: Manifest) -> list[dict[str, Any]]:
    single = spec.get("targetRef")
    return [*_maps(spec, "targetRefs"), *([single] if single else [])]


def _allows(spec: Manifest) -> bool:
    return spec.get("action", "ALLOW") == "ALLOW"


def _spec(policy: Manifest) -> Manifest:
    return policy.get("spec") or {}


def _name(each: Manifest) -> str:
    return each["metadata"]["name"]


def _namespace(each: Manifest) -> str:
    return each["metadata"].get("namespace", "")


def _labels(each: Manifest) -> dict[str, str]:
    return each["metadata"].get("labels") or {}


def _map(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    return cast(dict[str, Any], parent.get(key) or {})


def _maps(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], parent.get(key) or [])
