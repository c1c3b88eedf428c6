# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The next hook of a unit: the difference between the model and what the unit knows of it.

The order is that of Juju's uniter for Kubernetes sidecar charms: install, relation-created of the
relations that exist, leader-elected, config-changed, start, pebble-ready; then relations as they
come and go. There is no queue, hence no stale event: pending hooks follow from the state.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.lab.juju import _secrets
from tests.lab.juju._entities import Relation, Scope, Side, Unit

JUJU_KEYS = {"egress-subnets", "ingress-address", "private-address"}
"""The keys that Juju itself writes into a unit's databag."""


@dataclass(frozen=True)
class Hook:
    """One event for one unit."""

    kind: str
    """Juju's name without the endpoint or container: ``relation-changed``, ``pebble-ready``."""
    relation: Relation | None = None
    side: Side | None = None
    """The unit's side of the relation."""
    remote_unit: int | None = None
    container: str | None = None
    check: str | None = None
    secret: str | None = None
    revision: int | None = None

    def __str__(self) -> str:
        if self.relation and self.side:
            remote = self.relation.other(self.side).alias
            unit = "" if self.remote_unit is None else f"/{self.remote_unit}"
            return f"{self.side.endpoint}-{self.kind} ({remote}{unit})"
        if self.container:
            return f"{self.container}-{self.kind}" + (f" ({self.check})" if self.check else "")
        return self.kind + (f" ({self.secret})" if self.secret else "")


def next_hook(
    unit: Unit, relations: Iterable[Relation], secrets: Iterable[_secrets.Secret]
) -> Hook | None:
    """Return the next hook of the unit, or None when no hook is pending."""
    if unit.dead:
        return None
    if unit.restarts:
        # The old pod stops; to the charm in the new pod this looks like an upgrade.
        return Hook("stop" if unit.started else "upgrade-charm")
    if not unit.installed:
        # Juju removes a unit that is not installed yet without any hook.
        return None if unit.dying else Hook("install")
    sides = [(r, s) for r in relations for s in r.sides_of(unit.app)]
    hook = _leaving(unit, sides)
    if hook is None and not unit.dying:
        hook = _lifecycle(unit, sides) or _relations(unit, sides)
        hook = hook or _secret(unit, secrets)
    return hook or _end(unit, sides)


def _lifecycle(unit: Unit, sides: list[tuple[Relation, Side]]) -> Hook | None:
    for relation, side in sides:
        if not relation.dying and (relation.id, side.endpoint) not in unit.scopes:
            return Hook("relation-created", relation, side)
    if unit.app.leader == unit.number and not unit.knows_leadership:
        return Hook("leader-elected")
    if unit.known_config != unit.app.config_version:
        return Hook("config-changed")
    if not unit.started:
        return Hook("start")
    for container in unit.containers:
        if container not in unit.ready:
            return Hook("pebble-ready", container=container)
    return None


def _scopes(
    unit: Unit, sides: list[tuple[Relation, Side]]
) -> Iterator[tuple[Relation, Side, Scope]]:
    for relation, side in sides:
        scope = unit.scopes.get((relation.id, side.endpoint))
        if scope is not None:
            yield relation, side, scope


def members(unit: Unit, relation: Relation, side: Side) -> dict[int, int]:
    """Return the remote units in a relation, each with the version of its databag."""
    other = relation.other(side)
    mine = {unit.number} if relation.peer else set[int]()
    return {n: other.unit_version[n] for n in sorted(other.unit_data) if n not in mine}


def _leaving(unit: Unit, sides: list[tuple[Relation, Side]]) -> Hook | None:
    for relation, side, scope in _scopes(unit, sides):
        going = relation.dying or unit.dying
        present = {} if going else members(unit, relation, side)
        for number in sorted(set(scope.members) - set(present)):
            return Hook("relation-departed", relation, side, number)
        if going:
            return Hook("relation-broken", relation, side)
    return None


def _relations(unit: Unit, sides: list[tuple[Relation, Side]]) -> Hook | None:
    for relation, side, scope in _scopes(unit, sides):
        present = members(unit, relation, side)
        for number, version in present.items():
            if number not in scope.members:
                return Hook("relation-joined", relation, side, number)
            if scope.members[number] != version:
                return Hook("relation-changed", relation, side, number)
        # The writer of a peer relation's application databag gets no hook for its own change.
        own = relation.peer and unit.app.leader == unit.number
        if present and not own and scope.app_version != relation.other(side).app_version:
            return Hook("relation-changed", relation, side)
    return None


def _secret(unit: Unit, secrets: Iterable[_secrets.Secret]) -> Hook | None:
    for secret in secrets:
        if secret.has_news_for(unit.name):
            return Hook("secret-changed", secret=secret.id)
        if revision := secret.obsolete_for(unit):
            return Hook("secret-remove", secret=secret.id, revision=revision)
    return None


def _end(unit: Unit, sides: list[tuple[Relation, Side]]) -> Hook | None:
    if not unit.dying or any(_scopes(unit, sides)):
        return None
    if not unit.stopped:
        return Hook("stop")
    return Hook("remove")


def record(unit: Unit, hook: Hook) -> None:
    """Record that the unit ran the hook."""
    match hook.kind:
        case "install":
            unit.installed = True
        case "upgrade-charm":
            unit.restarts = False
            unit.known_config = -1
        case "leader-elected":
            unit.knows_leadership = True
        case "config-changed":
            unit.known_config = unit.app.config_version
        case "start":
            unit.started = True
        case "stop" if unit.restarts:
            unit.started = False
        case "stop":
            unit.stopped = True
        case "remove":
            unit.dead = True
        case "pebble-ready":
            unit.ready.add(hook.container or "")
        case _:
            _record_relation(unit, hook)


def _record_relation(unit: Unit, hook: Hook) -> None:
    if hook.relation is None or hook.side is None:
        return
    key = (hook.relation.id, hook.side.endpoint)
    if hook.kind == "relation-created":
        unit.scopes[key] = Scope()
        return
    if hook.kind == "relation-broken":
        del unit.scopes[key]
        hook.side.unit_data.pop(unit.number, None)
        return
    scope = unit.scopes[key]
    if hook.remote_unit is None:
        scope.app_version = hook.relation.other(hook.side).app_version
    elif hook.kind == "relation-joined":
        scope.members[hook.remote_unit] = -1
    elif hook.kind == "relation-departed":
        del scope.members[hook.remote_unit]
    else:
        scope.members[hook.remote_unit] = members(unit, hook.relation, hook.side)[hook.remote_unit]
