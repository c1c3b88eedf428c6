# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Nothing is served whose guard is not in force: what guards hold back.

A guard is missing where it is not in the cluster, or not with content of its owner; it is outdated
where the cluster keeps an earlier version. Either way nothing that it guards is created or
changed. Whether what exists is deleted while a guard is missing, the owner decides.
"""

from collections.abc import Iterable

import msgspec

from istio_ambient.kube._live import Live
from istio_ambient.kube._objects import kind_of
from istio_ambient.kube._phases import Access, Phase
from istio_ambient.kube._plan import WRITES, Change, Plan, Verb


def missing(plan: Plan, live: Live, failed: Iterable[Change] = ()) -> frozenset[str]:
    """Return, as text, the guards that a plan does not put in force, and kinds of guards.

    Args:
        plan: of all objects.
        live: what it was made for.
        failed: what could not be applied of it.
    """
    # After another failed write there is an earlier version. It is too wide where another writer
    # changed it and it would have been narrowed, or where an admission webhook changed the answer.
    absent = [
        change
        for change in failed
        if change.verb is Verb.CREATE
        or change.altered
        or (change.repairs and change.phase is Phase.NARROW)
    ]
    absent += plan.of(Verb.REFUSED, Verb.DEFERRED)
    kinds = live.identity.access.guards & {kind_of(kind) for kind in live.missing}
    return kinds | {str(change.ref) for change in absent if change.ref in plan.guards}


def withheld(plan: Plan, live: Live) -> Plan:
    """Return the plan without what cannot be guarded, as far as the plan itself shows it.

    Args:
        plan: of all objects.
        live: what it was made for.
    """
    access = live.identity.access
    # Of these it is only unknown whether they are in force: what exists stays.
    unread = access.guards & {kind_of(kind) for kind in live.unread}
    absent = missing(plan, live) | unread
    changes = (held_back(change, absent, access) for change in plan.changes)
    return msgspec.structs.replace(plan, changes=tuple(changes))


def held_back(change: Change, not_in_force: Iterable[str], access: Access) -> Change:
    """Return a change, or that it is held where it needs a guard that is not in force."""
    guard = min(not_in_force, default="")
    is_deleted = change.verb is Verb.DELETE
    if (
        not guard
        or is_deleted
        or change.verb not in WRITES
        or change.ref.kind not in access.guarded
    ):
        return change
    reason = f"waits for {guard}, which guards it"
    return msgspec.structs.replace(
        change, verb=Verb.HELD, reason=reason, phase=Phase.NEUTRAL, manifest=None, interim=None
    )
