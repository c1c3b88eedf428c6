# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Secrets: revisions, grants, and what each unit tracks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ops
from ops import testing

from tests.lab.juju._entities import Application, Relation, Unit

# pyright: reportPrivateUsage=false


@dataclass
class Consumer:
    """What one unit tracks of a secret that it does not own."""

    tracked: int
    told: int
    """The newest revision that the unit was told of."""
    label: str | None = None


@dataclass(eq=False)
class Secret:
    """A charm's secret, or the user's."""

    id: str
    owner: Application | Unit | None
    """None: whoever types commands."""
    revisions: dict[int, dict[str, str]]
    label: str | None = None
    description: str | None = None
    expire: datetime | None = None
    rotate: ops.SecretRotate | None = None
    grants: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    """Relation id to the applications and units, as the owner calls them."""
    readers: list[Application] = field(default_factory=list[Application])
    """Whom the user granted it to."""
    consumers: dict[str, Consumer] = field(default_factory=dict[str, Consumer])
    owner_tracks: int = 1
    told_obsolete: set[int] = field(default_factory=set[int])

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)

    def owned_by(self, unit: Unit) -> bool:
        """Return whether the unit, or its application, owns it."""
        return self.owner in (unit, unit.app)

    def granted_to(self, unit: Unit, relations: Iterable[Relation]) -> bool:
        """Return whether the unit may read it, by a relation or as the user granted."""
        if unit.app in self.readers:
            return True
        for relation in relations:
            grantees = self.grants.get(relation.id, frozenset())
            for side in relation.sides_of(unit.app):
                if grantees & {side.alias, f"{side.alias}/{unit.number}"}:
                    return True
        return False

    def has_news_for(self, unit_name: str) -> bool:
        """Return whether a revision came that the unit was not told of."""
        consumer = self.consumers.get(unit_name)
        return consumer is not None and consumer.told < self.latest

    def obsolete_for(self, unit: Unit) -> int | None:
        """Return a revision that nobody tracks any more and its owner was not told of."""
        managing = self.owner is unit or (
            self.owner is unit.app and unit.app.leader == unit.number
        )
        if not managing:
            return None
        tracked = {c.tracked for c in self.consumers.values()} | {self.latest, self.owner_tracks}
        gone = set(self.revisions) - tracked - self.told_obsolete
        return min(gone, default=None)


def view(secret: Secret, unit: Unit) -> testing.Secret:
    """Return the secret as the unit sees it."""
    owned = secret.owned_by(unit)
    consumer = (
        secret.consumers.setdefault(unit.name, Consumer(secret.latest, secret.latest))
        if (not owned)
        else None
    )
    tracked = consumer.tracked if consumer else secret.owner_tracks
    seen = testing.Secret(
        secret.revisions[tracked],
        latest_content=secret.revisions[secret.latest],
        id=secret.id,
        owner=("unit" if isinstance(secret.owner, Unit) else "app") if owned else None,
        remote_grants=secret.grants if owned else {},
        label=consumer.label if consumer else secret.label,
        description=secret.description,
        expire=secret.expire,
        rotate=secret.rotate,
    )
    object.__setattr__(seen, "_tracked_revision", tracked)
    object.__setattr__(seen, "_latest_revision", secret.latest)
    return seen


def absorb(
    secrets: dict[str, Secret], unit: Unit, before: Iterable[str], after: Iterable[Any]
) -> None:
    """Take over what a hook did to the secrets that the unit saw.

    Args:
        secrets: the model's secrets by id; changed in place.
        unit: that ran the hook.
        before: ids of the secrets it was given.
        after: the secrets in the state that the hook left (``ops.testing.Secret``).
    """
    found = {seen.id: seen for seen in after}
    for gone in set(before) - set(found):
        del secrets[gone]
    for seen in found.values():
        secret = secrets.get(seen.id)
        if secret is None:
            owner = unit if seen.owner == "unit" else unit.app
            secret = Secret(seen.id, owner, {1: dict(seen.tracked_content)})
            secrets[seen.id] = secret
        if secret.owned_by(unit):
            _absorb_owned(secret, seen)
        else:
            consumer = secret.consumers[unit.name]
            consumer.label = seen.label
            if dict(seen.tracked_content) != secret.revisions[consumer.tracked]:
                consumer.tracked = secret.latest


def _absorb_owned(secret: Secret, seen: testing.Secret) -> None:
    if dict(seen.latest_content) != secret.revisions[secret.latest]:
        secret.revisions[secret.latest + 1] = dict(seen.latest_content)
    if dict(seen.tracked_content) == secret.revisions[secret.latest]:
        secret.owner_tracks = secret.latest
    secret.label = seen.label
    secret.description = seen.description
    secret.expire = seen.expire
    secret.rotate = seen.rotate
    secret.grants = {relation: frozenset(names) for relation, names in seen.remote_grants.items()}


def told(secret: Secret, unit: Unit, kind: str, revision: int | None) -> None:
    """Note down that the unit ran a secret hook."""
    if kind == "secret-changed" and unit.name in secret.consumers:
        secret.consumers[unit.name].told = secret.latest
    elif kind == "secret-remove" and revision is not None:
        secret.told_obsolete.add(revision)
