# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Changes of access that a change of policies makes: two lists of accesses, compared."""

import dataclasses
from collections.abc import Sequence

from istio_ambient import kube, resources
from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.explain import access_list
from istio_ambient.values import tables


@dataclasses.dataclass(frozen=True)
class AccessChange:
    """One access that a source would gain or lose."""

    gained: bool
    access: evaluator.Access


def changes(before: evaluator.Snapshot, after: evaluator.Snapshot) -> list[AccessChange]:
    """Return the accesses that differ between two snapshots, those that are gained first."""
    old, new = set(access_list.accesses(before)), set(access_list.accesses(after))
    gained = [AccessChange(True, access) for access in sorted(new - old)]
    return gained + [AccessChange(False, access) for access in sorted(old - new)]


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
    rows = (("gains" if c.gained else "loses", *access_list.row(c.access)) for c in found)
    headings = ("CHANGE", *access_list.HEADINGS)
    return tables.table(headings, rows, empty="no access changes")


def as_json(found: Sequence[AccessChange]) -> str:
    """Return the changes as JSON."""
    data = [{"gained": c.gained, **access_list.data(c.access, hardened=False)} for c in found]
    return tables.as_json(data)
