# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What hardened mode would do to every workload on the mesh: read from policies, nothing changed.

Who may reach a workload with the policies of hardened mode is compared with who may without.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from istio_ambient import kube
from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.values import tables

CUT_OFF, CLOSED, REACHABLE = "cut off", "closed already", "stays reachable"

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


def outlooks(snapshot: evaluator.Snapshot) -> list[Outlook]:
    """Return what hardened mode would mean to each workload on the mesh, sorted."""
    root = snapshot.root_namespace
    others = tuple(each for each in snapshot.policies if not _is_meshwide(each, root))
    own = tuple(map(kube.manifest_of, hardened_mode.policies(root, "istio-k8s")))
    off = evaluator.workloads(dataclasses.replace(snapshot, policies=others))
    on = evaluator.workloads(dataclasses.replace(snapshot, policies=(*others, *own)))
    return sorted(_outlook(*pair) for pair in zip(off, on, strict=True))


def table(found: Iterable[Outlook]) -> str:
    """Return the outlooks for people to read, one a line."""
    return tables.table(_HEADINGS, map(_row, found), empty="no workload is on the mesh")


def _row(each: Outlook) -> tuple[str, ...]:
    return (
        f"{each.namespace}/{each.application}",
        str(each.pods),
        ", ".join(each.policies) or "none",
        ", ".join(each.admits) or "nobody",
        each.outlook,
    )


def _outlook(off: evaluator.Workload, on: evaluator.Workload) -> Outlook:
    speaking = {f"{p.namespace}/{p.name}" for p in off.policies if p.is_allow and not p.synthetic}
    admits = _admitted(on)
    closed = CUT_OFF if _admitted(off) else CLOSED
    return Outlook(
        namespace=off.namespace,
        application=off.application,
        pods=len(off.pods),
        policies=tuple(sorted(speaking)),
        admits=admits,
        outlook=REACHABLE if admits else closed,
    )


def _admitted(workload: evaluator.Workload) -> tuple[str, ...]:
    """Return who may come in, the waypoint left out that istiod lets in for the others' sake."""
    return tuple(
        sorted(
            {
                access.source
                for access in workload.accesses
                if not access.policies or not all(ref.synthetic for ref in access.policies)
            }
        )
    )


def _is_meshwide(policy: Mapping[str, Any], root_namespace: str) -> bool:
    """Return whether a policy is what hardened mode is made of: allow nothing, everywhere."""
    spec: dict[str, Any] = policy.get("spec") or {}
    refs: list[dict[str, Any]] = spec.get("targetRefs") or []
    kinds = {ref.get("kind") for ref in refs}
    everywhere = not spec.get("selector") and kinds <= {"GatewayClass"}
    allows = spec.get("action", "ALLOW") == "ALLOW"
    at_root = policy["metadata"].get("namespace") == root_namespace
    return at_root and everywhere and allows and not spec.get("rules", ())
