# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The one place that reads and writes databags: what Juju refuses is a problem, not a failed hook.

Juju's unit agent may list a relation that Juju itself has *forgotten*: after `juju remove-saas`
or a removal with `--force`, until the agent restarts. Each hook tool is refused for it then. Such
a relation is nobody: it gives nothing, and all else goes on.

Any other refusal is expected to pass: what the relation sent last is used until then. See
docs/explanation/refused-by-juju.md.
"""

import contextlib
import copy
import json
import logging
import subprocess
from collections.abc import Collection, Generator, Iterable, Mapping
from time import time as now
from typing import Any, cast

import ops

from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

logger = logging.getLogger(__name__)

REFUSALS = (ops.ModelError, OSError, subprocess.SubprocessError, json.JSONDecodeError)
"""Everything that a hook tool ends in where it does not succeed. ops makes a ModelError of what
Juju answers, and leaves a tool that is missing, killed or mute to the caller."""
KEPT = 900.0
"""Seconds for which the last databag of a relation is used while Juju refuses to read it."""
_REPORTS_MODELS = "3.6.2"
"""The first Juju with `relation-model-get`."""


class Relations(ops.Object):
    """The relations of a charm in one hook; each databag is read once."""

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase):
        super().__init__(charm, "relations")
        self._charm = charm
        self._listed: dict[str, list[ops.Relation]] = {}
        self._databags: dict[int, Mapping[str, str] | None] = {}
        self._models: dict[int, str | None] = {}
        self._planned: list[int | None] = []
        self._nameless = set[int]()
        """Relations whose application Juju does not name."""
        self._forgotten: dict[int, Problem] = {}
        self._refused: dict[str, Problem] = {}
        self.unlisted: set[str] = set()
        """Endpoints whose relations are not known in this hook."""
        self._stored.set_default(databags={}, unlisted={})

    @property
    def problems(self) -> Collection[Problem]:
        """One for each relation that Juju has forgotten: an operator has to act."""
        return self._forgotten.values()

    @property
    def refused(self) -> Collection[Problem]:
        """What else Juju refused, one for each relation or tool: the next hook tries again."""
        return self._refused.values()

    @property
    def stays_unlisted(self) -> bool:
        """Whether the relations of each such endpoint have not been known for `KEPT` seconds.

        Hooks have tried meanwhile: after a pause of that time, the count begins again.
        """
        return all(now() - self._unlisted.get(each, (now(),))[0] > KEPT for each in self.unlisted)

    @property
    def _unlisted(self) -> dict[str, tuple[float, ...]]:
        """The times of the first and of the last refusal, by endpoint."""
        return cast(dict[str, tuple[float, ...]], self._stored.unlisted)

    def _count_unlisted(self, endpoint: str) -> None:
        if endpoint not in self.unlisted:
            self._unlisted.pop(endpoint, None)
            return
        time_now = now()
        first, last = self._unlisted.get(endpoint, (time_now, time_now))
        is_recent = 0 <= time_now - last <= KEPT
        self._unlisted[endpoint] = (first if is_recent else time_now, time_now)

    # Reading.

    def of(self, endpoint: str, *, forgotten: bool = False) -> list[ops.Relation]:
        """Return the relations of an endpoint that are not being removed, sorted by id.

        Args:
            endpoint: of the charm; one that the charm does not declare has none.
            forgotten: whether to return those that Juju has forgotten too: for endpoints whose
                relations restrict access, which no fault of Juju may lift.
        """
        if endpoint not in self._listed:
            self._listed[endpoint] = self._list(endpoint)
            self._count_unlisted(endpoint)
        return [r for r in self._listed[endpoint] if not self.is_forgotten(r) or forgotten]

    def databag(self, relation: ops.Relation) -> Mapping[str, str] | None:
        """Return the databag of the remote application.

        Returns:
            What Juju answers; what it answered last where it refuses now, for `KEPT` seconds;
            then None: the databag is unreadable. Empty where Juju has forgotten the relation.
        """
        if relation.id not in self._databags:
            self._databags[relation.id] = self._read(relation)
        return self._databags[relation.id]

    def unit_databags(self, relation: ops.Relation) -> tuple[dict[str, str], ...]:
        """Return the databags of the remote units, as far as Juju answers."""
        units = sorted(relation.units, key=lambda unit: unit.name)
        return tuple(found for unit in units if (found := self.own(relation, unit)))

    def own(self, relation: ops.Relation, owner: ops.Unit | ops.Application) -> dict[str, str]:
        """Return the databag of a unit, or of our application; empty where Juju refuses."""
        with self.surviving(relation, "relation-get"):
            return dict(relation.data[owner])
        return {}

    def is_forgotten(self, relation: ops.Relation) -> bool:
        """Return whether Juju has forgotten a relation that its agent lists.

        ops returns empty databags for it. Of a live relation, the databag of our own unit is
        seldom empty: Juju writes the unit's addresses there, as soon as it has some. Where all is
        empty, the hook tool itself is asked.
        """
        if relation.id in self._forgotten:
            return True
        if relation.id in self._nameless:
            return False
        is_known = self.databag(relation) != {} or self._has_addresses(relation)
        if is_known or not self._is_unknown(relation):
            return False
        self._forget(relation, relation.app.name, "Juju has forgotten this relation")
        return True

    def model_uuid(self, relation: ops.Relation) -> str | None:
        """Return the UUID of the remote application's model; None: Juju does not report it.

        It never changes, so where Juju refuses, it is what Juju answered before.
        """
        if relation.id not in self._models:
            entry = self._entry(relation)
            uuid: str | None = None
            with self.surviving(relation, "relation-model-get"):
                if self.reports_models:
                    uuid = relation.remote_model.uuid
            if uuid is None:
                uuid = entry.get("model")
            elif entry.get("model") != uuid:
                self._remember(relation, {**entry, "model": uuid})
            self._models[relation.id] = uuid
        return self._models[relation.id]

    @property
    def reports_models(self) -> bool:
        """Whether this Juju has a hook tool for the model of a remote application."""
        return self.model.juju_version >= _REPORTS_MODELS

    def bind_address(self, relation: ops.Relation) -> str:
        """Return the address that the unit binds to; empty where Juju knows none.

        A name is none either: ops raises for what is not an IP address.
        """
        try:
            binding = self.model.get_binding(relation)
            return str(binding.network.bind_address or "") if binding else ""
        except (*REFUSALS, ValueError, TypeError) as error:
            logger.info("%s: no bind address: %s", relation.name, _words(error))
            return ""

    def planned_units(self) -> int | None:
        """Return the number of planned units of the application; None where Juju refuses.

        It refuses where any relation of the application refers to a SAAS that is gone.
        """
        if not self._planned:
            planned: int | None = None
            with self.tolerating("goal-state"):
                planned = self._charm.app.planned_units()
            self._planned.append(planned)
        return self._planned[0]

    def units(self) -> int:
        """Return the number of units of the application, this one included, by its peers."""
        peers = (relation for name in self._charm.meta.peers for relation in self._peers(name))
        return 1 + sum(len(relation.units) for relation in peers)

    # Writing.

    def write(
        self,
        relation: ops.Relation,
        owner: ops.Unit | ops.Application,
        content: Mapping[str, str],
        keys: Iterable[str] = (),
    ) -> None:
        """Set `content` in a databag of this charm, and delete the other `keys`.

        Args:
            relation: whose databag it is.
            owner: this unit or this application.
            content: what it should hold.
            keys: all keys that the charm ever writes there; other keys stay.
        """
        with self.surviving(relation, "relation-set"):
            # To ops and to Juju, an empty value is a deletion.
            relation.data[owner].update({**dict.fromkeys(keys, ""), **content})

    def write_all(
        self, endpoint: str, content: Mapping[str, str], keys: Iterable[str] = ()
    ) -> None:
        """Write the application's databag of each relation of an endpoint; see `write`."""
        for relation in self.of(endpoint):
            self.write(relation, self._charm.app, content, keys)

    @contextlib.contextmanager
    def tolerating(self, tool: str) -> Generator[None]:
        """Turn what Juju refuses inside into a problem of a hook tool; the block ends there."""
        try:
            yield
        except REFUSALS as error:
            self._refuse("", tool, error)

    @contextlib.contextmanager
    def surviving(self, relation: ops.Relation, tool: str) -> Generator[None]:
        """Turn what Juju refuses inside into a problem of a relation; the block ends there.

        Args:
            relation: that the block is about.
            tool: the hook tool or the library that the block runs, for the problem.
        """
        try:
            yield
        except ops.RelationDataAccessError as error:
            # The unit is no longer the leader. The new one writes what is to be written.
            logger.warning("%s: %s", relation.name, error)
        except REFUSALS as error:
            # A leader that was deposed gets the words of a relation that is gone.
            if not (isinstance(error, ops.RelationNotFoundError) and self.is_forgotten(relation)):
                self._refuse(relation.name, tool, error, relation.app.name)

    # Inside.

    def _list(self, endpoint: str) -> list[ops.Relation]:
        if endpoint not in self._charm.meta.relations:
            return []
        try:
            listed = self.model.relations[endpoint]
        except REFUSALS as error:
            # ops would return a part of the relations from now on.
            self.unlisted.add(endpoint)
            self._refuse(endpoint, "relation-list", error)
            return []
        gone = {key for key in self._remembered if key.rpartition(":")[0] == endpoint}
        for key in gone - {_key(relation) for relation in listed}:
            del self._remembered[key]
        # Of a relation that relation-list does not know, ops has no application.
        named = (relation if relation.app else self._named(relation) for relation in listed)
        return sorted(filter(None, named), key=lambda relation: relation.id)

    def _forget(self, relation: ops.Relation, app: str, message: str) -> None:
        unit = self._charm.unit.name.replace("/", "-")
        self._forgotten[relation.id] = Problem(
            app=app,
            endpoint=relation.name,
            field="",
            message=message,
            remedy=f"kubectl -n {self.model.name} delete pod {unit}",
            code=Code.RELATION_FORGOTTEN,
        )

    def _named(self, relation: ops.Relation) -> ops.Relation | None:
        """Return a relation with the application that it had in an earlier hook.

        What the application sent last stays in force for a while, as with other refusals. Where
        the application is not known, what the relation restricts is not known either.
        """
        self._nameless.add(relation.id)
        app: str = self._entry(relation).get("app", "")
        error = ops.ModelError(f"relation {relation.id} has no application")
        self._refuse(relation.name, "relation-list", error, app)
        if not app:
            self.unlisted.add(relation.name)
            entry: dict[str, Any] = {"refused": now(), **self._entry(relation)}
            self._remember(relation, entry)
            if now() - entry["refused"] > KEPT:
                # It will not pass by itself, and all that gives access waits for it.
                self._forget(relation, "", f"Juju names no application of relation {relation.id}")
            return None
        # Published libraries read the relation itself, and expect it to be as ops has it.
        named = copy.copy(relation)
        named.app = self.model.get_app(app)
        return named

    def _peers(self, endpoint: str) -> list[ops.Relation]:
        try:
            return self.model.relations[endpoint]
        except REFUSALS:
            return []

    def _read(self, relation: ops.Relation) -> Mapping[str, str] | None:
        app = relation.app.name
        if relation.id in self._nameless:
            return self._last(relation)
        try:
            content = dict(relation.data[relation.app])
        except REFUSALS as error:
            self._refuse(relation.name, "relation-get", error, app)
            return self._last(relation)
        entry = {**self._entry(relation), "app": app, "databag": content}
        entry.pop("refused", None)
        self._remember(relation, entry)
        return content

    def _has_addresses(self, relation: ops.Relation) -> bool:
        try:
            return bool(dict(relation.data[self._charm.unit]))
        except REFUSALS as error:
            self._refuse(relation.name, "relation-get", error, relation.app.name)
            return True

    # What relations sent last, by their key, as JSON.

    @property
    def _remembered(self) -> dict[str, str]:
        return cast(dict[str, str], self._stored.databags)

    def _is_unknown(self, relation: ops.Relation) -> bool:
        """Return whether the hook tool says that there is no such relation."""
        backend: Any = cast(Any, self.model)._backend
        try:
            backend.relation_get(relation.id, self._charm.unit.name, False)
        except ops.RelationNotFoundError:
            return True
        except REFUSALS:
            return False
        return False

    def _entry(self, relation: ops.Relation) -> dict[str, Any]:
        return json.loads(self._remembered.get(_key(relation), "{}"))

    def _remember(self, relation: ops.Relation, entry: Mapping[str, Any]) -> None:
        text = json.dumps(entry)
        if self._remembered.get(_key(relation)) != text:
            self._remembered[_key(relation)] = text

    def _last(self, relation: ops.Relation) -> Mapping[str, str] | None:
        before = self._entry(relation)
        if "databag" not in before:
            return None
        time_now = now()
        entry: dict[str, Any] = {"refused": time_now, **before}
        self._remember(relation, entry)
        # The clock may have been set back.
        return entry["databag"] if 0 <= time_now - entry["refused"] <= KEPT else None

    def _refuse(self, endpoint: str, tool: str, error: Exception, app: str = "") -> None:
        problem = Problem(
            app=app,
            endpoint=endpoint or "juju",
            field="",
            message=f"Juju refuses {tool}: {_words(error)}",
            remedy="the next hook tries again",
            code=Code.JUJU_REFUSES,
        )
        # The first refusal of a relation is the reason of the others.
        self._refused.setdefault(f"{app}:{endpoint or tool}", problem)


def _key(relation: ops.Relation) -> str:
    return f"{relation.name}:{relation.id}"


def _words(error: Exception) -> str:
    return str(error).strip().removeprefix("ERROR ") or type(error).__name__
