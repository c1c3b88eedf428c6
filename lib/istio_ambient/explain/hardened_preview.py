# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What hardened mode would change for every workload on the mesh; nothing is changed.

The accesses to a workload are compared with and without the policies of hardened mode.
"""

import dataclasses
from collections.abc import Iterable

from istio_ambient import kube
from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.values import tables

CUT_OFF, CLOSED, REACHABLE = "cut off", "closed already", "stays reachable"

_HEADINGS = ("WORKLOAD", "PODS", "POLICIES", "ALLOWED", "IN HARDENED MODE")


@dataclasses.dataclass(frozen=True, order=True)
class WorkloadPreview:
    """One workload in hardened mode; the members are the keys of the action's JSON."""

    namespace: str
    application: str
    pods: int
    policies: tuple[str, ...]
    """Namespace and name of its ALLOW policies, without those of hardened mode."""
    admits: tuple[str, ...]
    """Sources that may reach it in hardened mode, as `shop/productpage`; `*` is any client."""
    outlook: str
    """`cut off`: some source may reach it now, and none in hardened mode; `closed already`; `stays
    reachable`."""


def previews(snapshot: evaluator.Snapshot) -> list[WorkloadPreview]:
    """Return each workload on the mesh as it would be in hardened mode, sorted."""
    root = snapshot.root_namespace
    others = tuple(each for each in snapshot.policies if not hardened_mode.is_meshwide(each, root))
    own = tuple(map(kube.manifest_of, hardened_mode.policies(root, "istio-k8s")))
    off = evaluator.workloads(dataclasses.replace(snapshot, policies=others))
    on = evaluator.workloads(dataclasses.replace(snapshot, policies=(*others, *own)))
    return sorted(_preview(*pair) for pair in zip(off, on, strict=True))


def table(found: Iterable[WorkloadPreview]) -> str:
    """Return a table with a line for each workload."""
    return tables.table(_HEADINGS, map(_row, found), empty="no workload is on the mesh")


def _row(each: WorkloadPreview) -> tuple[str, ...]:
    return (
        f"{each.namespace}/{each.application}",
        str(each.pods),
        ", ".join(each.policies) or "none",
        ", ".join(each.admits) or "no client",
        each.outlook,
    )


def _preview(off: evaluator.Workload, on: evaluator.Workload) -> WorkloadPreview:
    allows = (ref for ref in off.policies if ref.action == "ALLOW" and not ref.synthetic)
    own = {f"{ref.namespace}/{ref.name}" for ref in allows}
    admits = _allowed_sources(on)
    unreachable = CUT_OFF if _allowed_sources(off) else CLOSED
    return WorkloadPreview(
        namespace=off.namespace,
        application=off.application,
        pods=len(off.pods),
        policies=tuple(sorted(own)),
        admits=admits,
        outlook=REACHABLE if admits else unreachable,
    )


def _allowed_sources(workload: evaluator.Workload) -> tuple[str, ...]:
    """Return the sources that may reach a workload, without waypoints that istiod allows."""
    found = {access.source for access in workload.accesses if not access.is_generated}
    return tuple(sorted(found))
