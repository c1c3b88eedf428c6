# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Secrets: revisions, grants, and the tracked revision of each unit."""

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
    """The revision that one unit tracks of a secret that it does not own."""

    tracked: int
    announced: int
    """The newest revision for which the unit ran secret-changed."""
    label: str | None = None


@dataclass(eq=False)
class Secret:
    """A secret of a charm, or of the operator."""

    id: str
    owner: Application | Unit | None
    """None: the operator."""
    revisions: dict[int, dict[str, str]]
    label: str | None = None
    description: str | None = None
    expire: datetime | None = None
    rotate: ops.SecretRotate | None = None
    grants: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    """Relation id to the applications and units, by the names that the owner sees."""
    readers: list[Application] = field(default_factory=list[Application])
    """The applications that the operator granted it to."""
    consumers: dict[str, Consumer] = field(default_factory=dict[str, Consumer])
    owner_tracks: int = 1
    reported_obsolete: set[int] = field(default_factory=set[int])

    @property
    def latest(self) -> int:
        """The newest revision."""
        return max(self.revisions)

    def owned_by(self, unit: Unit) -> bool:
        """Return whether the unit, or its application, owns it."""
        return self.owner in (unit, unit.app)

    def granted_to(self, unit: Unit, relations: Iterable[Relation]) -> bool:
        """Return whether the unit may read it, by a relation or by the operator's grant."""
        if unit.app in self.readers:
            return True
        for relation in relations:
            grantees = self.grants.get(relation.id, frozenset())
            for side in relation.sides_of(unit.app):
                if grantees & {side.alias, f"{side.alias}/{unit.number}"}:
                    return True
        return False

    def has_news_for(self, unit_name: str) -> bool:
        """Return whether a revision exists for which the unit has not run secret-changed."""
        consumer = self.consumers.get(unit_name)
        return consumer is not None and consumer.announced < self.latest

    def obsolete_for(self, unit: Unit) -> int | None:
        """Return an untracked revision for which the owner has not run secret-remove."""
        managing = self.owner is unit or (
            self.owner is unit.app and unit.app.leader == unit.number
        )
        if not managing:
            return None
        tracked = {c.tracked for c in self.consumers.values()} | {self.latest, self.owner_tracks}
        gone = set(self.revisions) - tracked - self.reported_obsolete
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
    """Store the changes that a hook made to the secrets that the unit saw.

    Args:
        secrets: the model's secrets by id; changed in place.
        unit: the unit that ran the hook.
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


def record(secret: Secret, unit: Unit, kind: str, revision: int | None) -> None:
    """Record that the unit ran a secret hook."""
    if kind == "secret-changed" and unit.name in secret.consumers:
        secret.consumers[unit.name].announced = secret.latest
    elif kind == "secret-remove" and revision is not None:
        secret.reported_obsolete.add(revision)
