# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, as a list for people: of one model or one application, in several forms."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from istio_ambient.authorization import evaluator
from istio_ambient.explain import diagrams, picture
from istio_ambient.values import tables

Entry = evaluator.Access | evaluator.Target
"""Who may reach a target; or a target that nobody may reach."""
Render = Callable[[Sequence[Entry]], str]

NOBODY = "nobody"
HEADINGS = ("WHO", "MAY REACH", "WITH")
_BY = {
    evaluator.TargetKind.SERVICE: "Service",
    evaluator.TargetKind.WORKLOAD: "pods",
    evaluator.TargetKind.POD: "pods",
}


@dataclasses.dataclass(frozen=True)
class AccessList:
    """Who may reach whom, and who may be reached by nobody."""

    accesses: tuple[evaluator.Access, ...]
    targets: tuple[evaluator.Target, ...]
    """All that the list is about, those that nobody may reach included."""

    @property
    def entries(self) -> list[Entry]:
        """The accesses, by target, and what nobody may reach, neither its Service nor its pods."""
        reached = {each.target for each in self.accesses}
        alone = {_name(each): each for each in reversed(self.targets)}
        closed = [target for name, target in alone.items() if name not in reached]
        return sorted([*self.accesses, *closed], key=_order)


def access_list(snapshot: evaluator.Snapshot, model: str, app: str = "") -> AccessList:
    """Return who may reach whom in a model, into it and out of it.

    Args:
        snapshot: of the cluster.
        model: the model.
        app: if given, only what this application may reach, and who may reach it. What everybody
            may reach counts as the target's, not as the application's.
    """

    def concerns(name: str) -> bool:
        return name == f"{model}/{app}" if app else name.startswith(f"{model}/")

    headless = _headless(snapshot)
    return AccessList(
        tuple(
            each
            for each in accesses(snapshot)
            if concerns(each.target) or concerns(each.source) or each.source == f"{model}/*"
        ),
        tuple(
            each
            for each in evaluator.targets(snapshot)
            if concerns(_name(each)) and (each.kind, _name(each)) not in headless
        ),
    )


def accesses(snapshot: evaluator.Snapshot) -> list[evaluator.Access]:
    """Return who may reach whom, without what follows from the rest.

    Left out are headless Services, which are their pods by another name, and waypoints, which
    istiod itself lets in to the pods behind them.
    """
    headless = _headless(snapshot)
    return [
        each
        for each in evaluator.accesses(snapshot)
        if not (each.policies and all(policy.synthetic for policy in each.policies))
        and (each.kind, each.target) not in headless
    ]


def table(entries: Sequence[Entry]) -> str:
    """Return accesses, and targets that nobody may reach, as a table."""
    return tables.table(HEADINGS, map(row, entries), empty="nothing is on the mesh")


def as_json(entries: Sequence[Entry]) -> str:
    """Return the same for programs."""
    return tables.as_json([data(entry) for entry in entries])


def drawing(
    draw: Callable[[Iterable[evaluator.Access], Sequence[str], str], str], title: str
) -> Render:
    """Return what draws the same entries as a diagram."""

    def render(entries: Sequence[Entry]) -> str:
        accesses = [
            dataclasses.replace(each, target=_label(each.kind, each.target))
            for each in entries
            if isinstance(each, evaluator.Access)
        ]
        alone = {_name(each) for each in entries if isinstance(each, evaluator.Target)}
        return draw(accesses, sorted(alone | {each.target for each in accesses}), title)

    return render


def forms(title: str) -> Mapping[str, Render]:
    """Return every form of the list, by its name."""
    return {
        "table": table,
        "json": as_json,
        "dot": drawing(diagrams.dot, title),
        "mermaid": drawing(diagrams.mermaid, title),
        "svg": drawing(picture.svg, title),
    }


def row(entry: Entry) -> tuple[str, ...]:
    """Return the cells under `HEADINGS`."""
    if isinstance(entry, evaluator.Target):
        return NOBODY, _name(entry), ""
    who = "everybody" if entry.source == evaluator.EVERYBODY else entry.source
    return who, _label(entry.kind, entry.target), _with(entry)


def _with(access: evaluator.Access) -> str:
    barred = "; ".join(access.unless)
    return f"{access.operations}, but not: {barred}" if barred else access.operations


def data(entry: Entry) -> dict[str, Any]:
    """Return what JSON can hold; `source` is null where nobody may reach the target."""
    if isinstance(entry, evaluator.Target):
        return {"source": None, "target": _name(entry)}
    return {
        "source": entry.source,
        "target": entry.target,
        "by": _BY[entry.kind],
        "proxy": str(entry.proxy),
        "operations": entry.operations,
        "unless": list(entry.unless),
        "policies": [str(ref) for ref in entry.policies],
    }


def _headless(snapshot: evaluator.Snapshot) -> set[tuple[evaluator.TargetKind, str]]:
    return {
        (evaluator.TargetKind.SERVICE, _name(evaluator.Target.service(*key)))
        for key, service in evaluator.Topology(snapshot).services.items()
        if service.get("spec", {}).get("clusterIP") == "None"
    }


def _order(entry: Entry) -> tuple[str, str, str]:
    if isinstance(entry, evaluator.Target):
        return _name(entry), entry.kind, ""
    return entry.target, entry.kind, entry.source


def _label(kind: evaluator.TargetKind, name: str) -> str:
    return name if kind is evaluator.TargetKind.SERVICE else f"pods of {name}"


def _name(target: evaluator.Target) -> str:
    return f"{target.namespace}/{target.name}"
