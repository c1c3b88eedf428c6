# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Changes of access that a change of policies makes: what clients may do before and after it."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

from istio_ambient import kube, resources
from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.explain import access_list
from istio_ambient.values import tables

_UNRESTRICTED = evaluator.ANY_OPERATION, ()


class Change(enum.StrEnum):
    """What becomes of an access."""

    GAINS = "gains"
    WIDENS = "widens"
    """From some requests to all."""
    CHANGES = "changes"
    """From some requests to others, of which some may be the same."""
    NARROWS = "narrows"
    """From all requests to some."""
    LOSES = "loses"


_GAINED = {
    Change.GAINS: True,
    Change.WIDENS: True,
    Change.CHANGES: None,
    Change.NARROWS: False,
    Change.LOSES: False,
}


@dataclasses.dataclass(frozen=True)
class AccessChange:
    """What changes for one class of clients at one destination."""

    change: Change
    access: evaluator.Access
    """The access after the change; if it is lost, before it."""
    before: evaluator.Access | None
    """None: it is gained."""


def changes(before: evaluator.Reach, after: evaluator.Reach) -> list[AccessChange]:
    """Return the changes of access between two snapshots, those that give access first.

    Args:
        before: of the cluster.
        after: of the same with other policies.
    """
    found = evaluator.differences(before, after)
    order = list(Change)
    changed = (AccessChange(_change(each), each.where, each.before) for each in found)
    return sorted(changed, key=lambda each: (order.index(each.change), each.access))


def after_plan(snapshot: evaluator.Snapshot, plan: kube.Plan) -> evaluator.Snapshot:
    """Return the snapshot with the policies that would exist after a plan."""
    policies = {evaluator.key(policy): policy for policy in snapshot.policies}
    for change in plan.writes:
        if change.kind is not resources.AuthorizationPolicy:
            continue
        name = change.ref.namespace, change.ref.name
        if change.verb is kube.Verb.DELETE:
            policies.pop(name, None)
        elif change.manifest is not None:
            policies[name] = change.manifest
    return dataclasses.replace(snapshot, policies=tuple(policies.values()))


def with_hardened_mode(
    snapshot: evaluator.Snapshot, owner: str, *, on: bool
) -> evaluator.Snapshot:
    """Return the snapshot with hardened mode's policies, or without them.

    Args:
        snapshot: of the cluster.
        owner: the control plane's `<model>/<application>`.
        on: whether hardened mode is assumed to be on.
    """
    model, _, app = owner.partition("/")
    own = tuple(kube.manifest_of(policy) for policy in hardened_mode.policies(model, app))
    names = {evaluator.key(policy) for policy in own}
    rest = tuple(policy for policy in snapshot.policies if evaluator.key(policy) not in names)
    return dataclasses.replace(snapshot, policies=(*rest, *own) if on else rest)


def table(found: Sequence[AccessChange]) -> str:
    """Return the changes as a table."""
    headings = ("CHANGE", *access_list.HEADINGS)
    return tables.table(headings, map(_row, found), empty="no access changes")


def as_json(found: Sequence[AccessChange]) -> str:
    """Return the changes as JSON."""
    return tables.as_json([_data(each) for each in found])


def _row(each: AccessChange) -> tuple[str, ...]:
    source, target, requests = access_list.row(each.access)
    if each.before is not None and each.change is not Change.LOSES:
        requests = f"{requests}; before: {access_list.requests(each.before)}"
    return str(each.change), source, target, requests


def _data(each: AccessChange) -> dict[str, Any]:
    before = each.before
    return {
        "change": str(each.change),
        "gained": _GAINED[each.change],
        "before": before and {"operations": before.operations, "unless": list(before.unless)},
        **access_list.data(each.access),
    }


def _change(each: evaluator.Difference) -> Change:
    if each.before is None:
        return Change.GAINS
    if each.after is None:
        return Change.LOSES
    if (each.before.operations, each.before.unless) == _UNRESTRICTED:
        return Change.NARROWS
    if (each.after.operations, each.after.unless) == _UNRESTRICTED:
        return Change.WIDENS
    return Change.CHANGES
