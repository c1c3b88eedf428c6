# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Nothing is served whose guard is not in force: what becomes of the changes that guards concern.

A guard is missing where it is not in the cluster, or not with content of its owner: what it guards
is not created, and routes that exist are deleted. A guard is outdated where the cluster keeps an
earlier version: what exists stays, and nothing is created or changed.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from istio_ambient.kube._live import Live
from istio_ambient.kube._objects import Ref, kind_of
from istio_ambient.kube._phases import Access, Phase
from istio_ambient.kube._plan import Change, Plan, Verb

_STAYING = frozenset({Verb.UNCHANGED, Verb.UPDATE, Verb.REPLACE})
_WRITTEN = frozenset({Verb.CREATE, Verb.UPDATE, Verb.REPLACE})


@dataclass(frozen=True)
class Guards:
    """The guards that are not in force."""

    missing: Collection[str] = ()
    """As text, for the reason."""
    outdated: Collection[str] = ()

    def decide(self, change: Change, access: Access) -> Change:
        """Return what is to be done in place of a change that guards concern."""
        if change.ref.kind not in access.guarded:
            return change
        if self.missing and change.ref.kind in access.routes and change.verb in _STAYING:
            reason = f"{_first(self.missing)} guards it and is not in force"
            return Change(Verb.DELETE, change.ref, change.kind, reason, phase=Phase.WITHDRAW)
        waits_for = _first(self.missing) or _first(self.outdated)
        if waits_for and change.verb in _WRITTEN:
            reason = f"waits for {waits_for}, which guards it"
            return replace(change, verb=Verb.HELD, reason=reason, manifest=None, interim=None)
        return change


def _first(names: Collection[str]) -> str:
    return min(names, default="")


def withheld(plan: Plan, live: Live, guards: Collection[Ref]) -> Plan:
    """Return the plan without what cannot be guarded, as far as the plan itself shows it.

    Args:
        plan: of all objects.
        live: what it was made for.
        guards: as for `plan`.
    """
    access = live.identity.access
    absent = {str(c.ref) for c in plan.of(Verb.REFUSED, Verb.DEFERRED) if c.ref in guards}
    found = Guards(missing=absent | (access.guards & {kind_of(kind) for kind in live.missing}))
    return Plan(tuple(found.decide(change, access) for change in plan.changes))
