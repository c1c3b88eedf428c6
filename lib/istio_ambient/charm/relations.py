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
import json
import logging
import subprocess
from collections.abc import Collection, Generator, Iterable, Mapping
from time import time as now
from typing import Any, cast

import msgspec
import ops

from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

logger = logging.getLogger(__name__)

REFUSALS = (ops.ModelError, OSError, subprocess.SubprocessError, json.JSONDecodeError)
"""Everything that a hook tool ends in where it does not succeed. ops makes a ModelError of what
Juju answers, and leaves a tool that is missing, killed or mute to the caller."""
KEPT = 900.0
"""Seconds for which the last databag of a relation is used while Juju refuses to read it."""


class Relation(msgspec.Struct, frozen=True):
    """A relation, as far as it is known without asking Juju for its units.

    ops' own class asks for the units of every relation of an endpoint, a process each.
    """

    name: str
    """Our endpoint."""
    id: int
    app: ops.Application
    """The application at the other end."""
    active: bool = True
    """Read by ops: a relation of which Juju knows nothing has empty databags."""


class Relations(ops.Object):
    """The relations of a charm in one hook; each databag is read once.

    Of a relation's other end, application and model never change. Both are remembered, so that a
    hook in which nothing has changed runs two hook tools for a relation: `relation-get` for the
    databag of the other application, and for our own where the leader may have to write it.
    """

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase):
        super().__init__(charm, "relations")
        self._charm = charm
        self._backend: Any = cast(Any, self.model)._backend
        self._listed: dict[str, list[Relation]] = {}
        self._databags: dict[int, Mapping[str, str] | None] = {}
        self._contents: dict[tuple[int, str], ops.RelationDataContent] = {}
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._models: dict[int, str | None] = {}
        self._planned: list[int | None] = []
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

    def of(self, endpoint: str, *, forgotten: bool = False) -> list[Relation]:
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

    def databag(self, relation: Relation) -> Mapping[str, str] | None:
        """Return the databag of the remote application.

        Returns:
            What Juju answers; what it answered last where it refuses now, for `KEPT` seconds;
            then None: the databag is unreadable. Empty where Juju has forgotten the relation.
        """
        if relation.id not in self._databags:
            self._databags[relation.id] = self._read(relation)
        return self._databags[relation.id]

    def unit_databags(self, relation: Relation) -> tuple[dict[str, str], ...]:
        """Return the databags of the remote units, as far as Juju answers."""
        names: Iterable[str] = ()
        with self.surviving(relation, "relation-list"):
            names = self._backend.relation_list(relation.id, relation_name=relation.name)
        units = map(self.model.get_unit, sorted(names))
        return tuple(found for unit in units if (found := self.own(relation, unit)))

    def own(self, relation: Relation, owner: ops.Unit | ops.Application) -> dict[str, str]:
        """Return the databag of a unit, or of our application; empty where Juju refuses."""
        with self.surviving(relation, "relation-get"):
            return dict(self._content(relation, owner))
        return {}

    def is_forgotten(self, relation: Relation) -> bool:
        """Return whether Juju has forgotten a relation that its agent lists."""
        self.databag(relation)
        return relation.id in self._forgotten

    def is_listed(self, endpoint: str) -> bool:
        """Return whether ops can list the relations of an endpoint, as published libraries do."""
        try:
            _ = self.model.relations[endpoint]
            return True
        except REFUSALS as error:
            self._refuse(endpoint, "relation-list", error)
            return False

    def model_uuid(self, relation: Relation) -> str | None:
        """Return the UUID of the remote application's model; None: Juju does not report it."""
        if relation.id not in self._models:
            entry = self._entry(_key(relation))
            uuid: str | None = entry.get("model")
            if uuid is None:
                with self.surviving(relation, "relation-model-get"):
                    answer = self._backend.relation_model_get(
                        relation.id, relation_name=relation.name
                    )
                    uuid = str(answer["uuid"])
                    self._remember(_key(relation), {**entry, "model": uuid})
            self._models[relation.id] = uuid
        return self._models[relation.id]

    def bind_address(self, relation: Relation) -> str:
        """Return the address that the unit binds to; empty where Juju knows none.

        A name is none either: ops raises for what is not an IP address.
        """
        try:
            binding = ops.Binding(relation.name, relation.id, self._backend)
            return str(binding.network.bind_address or "")
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
        relation: Relation,
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
            self._content(relation, owner).update({**dict.fromkeys(keys, ""), **content})

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
    def surviving(self, relation: Relation, tool: str) -> Generator[None]:
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

    def _list(self, endpoint: str) -> list[Relation]:
        if endpoint not in self._charm.meta.relations:
            return []
        broken: int | None = cast(Any, self.model.relations)._broken_relation_id
        try:
            listed = set[int](self._backend.relation_ids(endpoint)) - {broken}
            found = [self._named(endpoint, number) for number in sorted(listed)]
        except REFUSALS as error:
            self.unlisted.add(endpoint)
            self._refuse(endpoint, "relation-list", error)
            return []
        gone = {key for key in self._remembered if key.rpartition(":")[0] == endpoint}
        for key in gone - {f"{endpoint}:{number}" for number in listed}:
            del self._remembered[key]
        return [relation for relation in found if relation is not None]

    def _content(
        self, relation: Relation, owner: ops.Unit | ops.Application
    ) -> ops.RelationDataContent:
        key = relation.id, owner.name
        if key not in self._contents:
            # Of the relation, it reads nothing but what ours has.
            content = ops.RelationDataContent(cast(Any, relation), owner, self._backend)
            self._contents[key] = content
        return self._contents[key]

    def _forget(self, endpoint: str, number: int, app: str, message: str) -> None:
        unit = self._charm.unit.name.replace("/", "-")
        self._forgotten[number] = Problem(
            app=app,
            endpoint=endpoint,
            field="",
            message=message,
            remedy=f"kubectl -n {self.model.name} delete pod {unit}",
            code=Code.RELATION_FORGOTTEN,
        )

    def _named(self, endpoint: str, number: int) -> Relation | None:
        """Return a relation with its application; None: no hook has known it, and Juju does not.

        What such a relation restricts is not known either.
        """
        key = f"{endpoint}:{number}"
        entry = self._entry(key)
        app: str | None = entry.get("app") or self._app_of(endpoint, number)
        if app:
            return Relation(endpoint, number, self.model.get_app(app))
        self._refuse(endpoint, "relation-list", _nameless(number))
        self.unlisted.add(endpoint)
        entry = {"refused": now(), **entry}
        self._remember(key, entry)
        if now() - entry["refused"] > KEPT:
            # It will not pass by itself, and all that gives access waits for it.
            self._forget(endpoint, number, "", f"Juju names no application of relation {number}")
        return None

    def _app_of(self, endpoint: str, number: int) -> str | None:
        """Return the application that Juju names; None: it does not know the relation."""
        return self._backend.relation_remote_app_name(number, relation_name=endpoint)

    def _peers(self, endpoint: str) -> list[ops.Relation]:
        try:
            return self.model.relations[endpoint]
        except REFUSALS as error:
            # Nobody knows how many units there are: a workload must not shrink for that.
            self.unlisted.add(endpoint)
            self._count_unlisted(endpoint)
            self._refuse(endpoint, "relation-list", error)
            return []

    def _read(self, relation: Relation) -> Mapping[str, str] | None:
        app, name = relation.app.name, relation.name
        try:
            content: dict[str, str] = self._backend.relation_get(
                relation.id, app, True, relation_name=name
            )
        except ops.RelationNotFoundError as error:
            # Unless it is forgotten, what it sent last stays in force, as with other refusals.
            if self._is_nameless(relation):
                self._refuse(name, "relation-list", _nameless(relation.id), app)
                return self._last(relation)
            if not self._is_unknown(relation):
                self._refuse(name, "relation-get", error, app)
                return self._last(relation)
            self._forget(name, relation.id, app, "Juju has forgotten this relation")
            content = {}
        except REFUSALS as error:
            self._refuse(name, "relation-get", error, app)
            return self._last(relation)
        entry = {**self._entry(_key(relation)), "app": app, "databag": content}
        entry.pop("refused", None)
        self._remember(_key(relation), entry)
        return content

    # What relations sent last, by their key, as JSON.

    @property
    def _remembered(self) -> dict[str, str]:
        return cast(dict[str, str], self._stored.databags)

    def _is_nameless(self, relation: Relation) -> bool:
        """Return whether Juju does not name the application of the relation either."""
        try:
            return self._app_of(relation.name, relation.id) is None
        except REFUSALS:
            return True

    def _is_unknown(self, relation: Relation) -> bool:
        """Return whether Juju says that there is no databag of our own unit in the relation."""
        unit = self._charm.unit.name
        try:
            self._backend.relation_get(relation.id, unit, False, relation_name=relation.name)
        except ops.RelationNotFoundError:
            return True
        except REFUSALS:
            return False
        return False

    def _entry(self, key: str) -> Mapping[str, Any]:
        if key not in self._entries:
            self._entries[key] = json.loads(self._remembered.get(key, "{}"))
        return self._entries[key]

    def _remember(self, key: str, entry: Mapping[str, Any]) -> None:
        if self._entry(key) != entry:
            self._entries[key] = entry
            self._remembered[key] = json.dumps(entry)

    def _last(self, relation: Relation) -> Mapping[str, str] | None:
        before = self._entry(_key(relation))
        if "databag" not in before:
            return None
        time_now = now()
        entry: dict[str, Any] = {"refused": time_now, **before}
        self._remember(_key(relation), entry)
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


def _key(relation: Relation) -> str:
    return f"{relation.name}:{relation.id}"


def _nameless(number: int) -> ops.ModelError:
    return ops.ModelError(f"relation {number} has no application")


def _words(error: Exception) -> str:
    return str(error).strip().removeprefix("ERROR ") or type(error).__name__
