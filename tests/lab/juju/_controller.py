# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The parts that models share: relations, secrets, and the loop that runs every unit's hooks."""

import collections
import itertools
from typing import TYPE_CHECKING

from tests.lab.juju import _events, _secrets
from tests.lab.juju._entities import Application, Relation, Side, Unit

if TYPE_CHECKING:
    from tests.lab.juju._agents import Agents

REPEATS = 20
"""A unit that runs the same hook more often, with the same effect, will not settle."""


class NotSettledError(AssertionError):
    """Units trigger each other's hooks without end."""

    def __init__(self, repeated: dict[str, int]):
        self.repeated = repeated
        lines = "\n".join(f"  {count} x {what}" for what, count in repeated.items())
        super().__init__(f"the models do not come to rest; what keeps happening:\n{lines}")


class Controller:
    """A Juju controller: models on it can be related to each other."""

    def __init__(self) -> None:
        self.models: dict[str, Agents] = {}
        self.relations: list[Relation] = []
        self.secrets: dict[str, _secrets.Secret] = {}
        self._ids = itertools.count()

    def relate(self, interface: str, *sides: Side) -> Relation:
        """Create a relation."""
        relation = Relation(next(self._ids), interface, sides)
        self.relations.append(relation)
        return relation

    def relations_of(self, app: Application) -> list[Relation]:
        """Return the relations in which an application has a side."""
        return [r for r in self.relations if any(side.app is app for side in r.sides)]

    def forget(self, app: Application) -> None:
        """Drop the relations and secrets of a removed application."""
        self.relations = [r for r in self.relations if not any(s.app is app for s in r.sides)]
        owned = {id for id, s in self.secrets.items() if s.owner is app or s.owner in app.units}
        for secret in owned:
            del self.secrets[secret]

    def next_hook(self, unit: Unit) -> _events.Hook | None:
        """Return the next hook of the unit, or None."""
        return _events.next_hook(unit, self.relations, self.secrets.values())

    def settle(self) -> int:
        """Run hooks until none is pending; return how many ran.

        Raises:
            NotSettledError: units trigger each other's hooks without end.
            HookError: a charm raised.
        """
        seen: collections.Counter[str] = collections.Counter()
        self._observe()
        self._leave_quietly()
        while True:
            busy = self._round(seen)
            self._tidy()
            if max(seen.values(), default=0) > REPEATS:
                raise NotSettledError(dict(seen.most_common(12)))
            # Hooks may have changed their own pods, which are then replaced.
            if not busy and not self._observe():
                return seen.total()

    def _observe(self) -> bool:
        return sum(model.observe() for model in self.models.values()) > 0

    def _tidy(self) -> None:
        self._leave_quietly()
        for model in self.models.values():
            model.bury()
        self.relations = [r for r in self.relations if not (r.dying and self._left(r))]

    def _round(self, seen: "collections.Counter[str]") -> bool:
        """Let every unit run one hook, as the agents of many units do concurrently."""
        busy = False
        for model in self.models.values():
            for unit in model.units:
                hook = self.next_hook(unit)
                if hook is None:
                    continue
                busy = True
                outcome = model.run_hook(unit, hook)
                wrote = f" wrote {', '.join(outcome.changed)}" if outcome.changed else ""
                seen[f"{unit.name}: {hook}{wrote}"] += 1
        return busy

    def _leave_quietly(self) -> None:
        for relation in self.relations:
            if relation.quiet and (relation.dying or any(a.dying for a in _players(relation))):
                relation.dying = True
                for app in _players(relation):
                    for unit in app.units.values():
                        for side in relation.sides:
                            unit.scopes.pop((relation.id, side.endpoint), None)

    def _left(self, relation: Relation) -> bool:
        """Return whether all units have left the relation."""
        return not any(
            (relation.id, side.endpoint) in unit.scopes
            for side in relation.sides
            if side.app
            for unit in side.app.units.values()
        )


def _players(relation: Relation) -> list[Application]:
    """Return the applications of a relation that have a charm."""
    return [side.app for side in relation.sides if side.app is not None]
