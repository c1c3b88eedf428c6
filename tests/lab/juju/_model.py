# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The model: Juju's verbs, for charms that run on the lab's cluster."""

import shlex
import uuid
import warnings
from pathlib import Path
from typing import Any

from tests import action_parameters
from tests.lab.juju import _agents, _charm, _endpoints, _events, _hooks, _observation, _secrets
from tests.lab.juju._endpoints import JujuError, Offer
from tests.lab.juju._entities import Application, Relation, Side

Value = str | int | float | bool
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "secret": (str,),
    "int": (int,),
    "float": (float, int),
    "boolean": (bool,),
}


class Model(_observation.Observed):
    """A Juju model on the lab's cluster; its name is the namespace.

    Verbs change the model and return at once, as the juju client does; `settle` then lets the
    units run the hooks that follow. Several models of one `Controller` can be related.

    Args:
        cluster: the lab's cluster.
        name: of the model and the namespace.
        controller: shared by models that are related to each other; a new one by default.
        uuid_mark: the form of the model's id on the namespace, which depends on Juju's version.

    Raises:
        lightkube.ApiError: the namespace exists.
    """

    # Juju's verbs.

    def deploy(
        self,
        charm: Path | str,
        app: str | None = None,
        *,
        config: dict[str, Value] | None = None,
        units: int = 1,
        trust: bool = True,
    ) -> Application:
        """Deploy a charm folder (``charmcraft.yaml`` and ``src/charm.py``).

        Raises:
            JujuError: the name is taken, or the config does not fit the charm.
        """
        loaded = _charm.load(Path(charm))
        name = app or loaded.name
        if name in self.apps:
            raise JujuError(f"application {name} exists already")
        self._cloud.deploy(
            name,
            units,
            containers=loaded.containers,
            served=loaded.served_ports,
            trust=trust,
        )
        deployed = Application(
            name,
            loaded,
            _agents.stage(loaded, self._folder / name),
            self._cloud.kubeconfig_of(name),
            trust,
            {},
        )
        self.apps[name] = deployed
        self.config(name, **(config or {}))
        for endpoint in loaded.endpoints.values():
            if endpoint.role == "peers":
                side = Side(deployed, endpoint.name, name, self.uuid)
                self.controller.relate(endpoint.interface, side)
        self._add_units(deployed, units)
        return deployed

    def config(self, app: str, **values: Value) -> None:
        """Set config options; names with dashes are given by ``**{"a-b": 1}`` or as ``a_b``.

        Raises:
            JujuError: no such option, or a value of another type.
        """
        application = self.app(app)
        options = application.charm.options
        for key, value in values.items():
            name = key if key in options else key.replace("_", "-")
            if name not in options:
                raise JujuError(f"application {app} has no option {key}")
            expected = TYPES[options[name]["type"]]
            boolean = isinstance(value, bool) and bool not in expected
            if boolean or not isinstance(value, expected):
                raise JujuError(f"option {name} of {app}: {value!r} is not {expected[0].__name__}")
            application.config[name] = value
        application.config_version += 1

    def reset(self, app: str, *names: str) -> None:
        """Set config options back to their defaults."""
        application = self.app(app)
        for name in names:
            application.config.pop(name, None)
            application.config.pop(name.replace("_", "-"), None)
        application.config_version += 1

    def offer(self, endpoint: str, name: str | None = None) -> Offer:
        """Offer ``application:endpoint`` to other models of the controller.

        Args:
            endpoint: with its application.
            name: the application's name in other models; by default its own.
        """
        app, offered = _endpoints.split(endpoint)
        if offered is None or offered not in self.app(app).charm.endpoints:
            raise JujuError(f"no endpoint {endpoint} to offer")
        return Offer(self.name, app, offered, name or app)

    def integrate(self, left: str, right: str | Offer) -> Relation:
        """Relate two applications; ``:endpoint`` may be left out where only one pair fits.

        With an `Offer` of another model, that model sees this application as ``remote-<hex>``,
        the same in all its relations, and this model sees the offer under its name.

        Raises:
            JujuError: no or more than one pair of endpoints fits, the relation exists, or a
                charm's limit on an endpoint is reached.
        """
        app, endpoint = _endpoints.split(left)
        here = self.app(app)
        if isinstance(right, Offer):
            other = self._model(right.model)
            there, remote = other.app(right.app), right.endpoint
            alias = f"remote-{uuid.uuid5(uuid.UUID(self.uuid), app).hex}"
            name = right.name
        else:
            other, alias = self, app
            name, remote = _endpoints.split(right)
            there = self.app(name)
        mine, theirs = _endpoints.match(here, endpoint, there, remote)
        sides = (
            Side(here, mine.name, alias, self.uuid),
            Side(there, theirs.name, name, other.uuid),
        )
        if any(_same(relation, sides) for relation in self.controller.relations):
            raise JujuError(f"relation {left} {right} exists already")
        self._check_quota((here, mine), (there, theirs))
        return self.controller.relate(mine.interface, *sides)

    def remove_relation(self, left: str, right: str | Offer) -> None:
        """Remove the relation between two applications.

        Raises:
            JujuError: there is no such relation, or more than one.
        """
        if isinstance(right, Offer):
            right = f"{right.app}:{right.endpoint}"
        found = [
            relation
            for relation in self.relations_of(_endpoints.split(left)[0])
            if not relation.peer and _names(relation, left, right)
        ]
        if len(found) != 1:
            raise JujuError(f"{len(found)} relations between {left} and {right}")
        found[0].dying = True

    def add_unit(self, app: str, units: int = 1) -> None:
        """Add units."""
        application = self.app(app)
        self._add_units(application, units)
        self._cloud.scale(app, len(application.living))

    def remove_unit(self, app: str, units: int = 1) -> None:
        """Remove the units with the highest numbers, as Kubernetes does."""
        application = self.app(app)
        for unit in sorted(application.living, key=lambda unit: unit.number)[-units:]:
            unit.dying = True
        self._elect(application)

    def remove(self, app: str) -> None:
        """Remove an application: its relations break, its units stop, its objects are deleted."""
        application = self.app(app)
        application.dying = True
        for relation in self.relations_of(app):
            relation.dying = True
        for unit in application.units.values():
            unit.dying = True

    def refresh(self, app: str, charm: Path | str | None = None) -> None:
        """Upgrade the charm, by default to the current content of its folder."""
        application = self.app(app)
        application.charm = _charm.load(Path(charm) if charm else application.charm.root)
        application.staged = _agents.stage(application.charm, self._folder / app)
        for unit in application.units.values():
            unit.replace_pod()

    def restart(self, unit: str) -> None:
        """Replace a unit's pod, as when its node is lost."""
        self._cloud.delete_pod(self.unit(unit).pod_name)

    def add_secret(self, content: dict[str, str], *grants: str) -> str:
        """Add a secret of the operator, granted to applications; return its id, for an option."""
        secret = _secrets.Secret(f"secret:{uuid.uuid4().hex[:20]}", None, {1: dict(content)})
        self.controller.secrets[secret.id] = secret
        for app in grants:
            self.grant_secret(secret.id, app)
        return secret.id

    def grant_secret(self, secret: str, app: str) -> None:
        """Grant a secret of the operator to an application."""
        self.controller.secrets[secret].readers.append(self.app(app))

    def revoke_secret(self, secret: str, app: str) -> None:
        """Revoke what `grant_secret` granted."""
        self.controller.secrets[secret].readers.remove(self.app(app))

    def update_secret(self, secret: str, content: dict[str, str]) -> None:
        """Add a revision; units that track the secret run secret-changed."""
        revisions = self.controller.secrets[secret].revisions
        revisions[max(revisions) + 1] = dict(content)

    def run(self, unit: str, action: str, *typed: str, **params: Any) -> dict[str, Any]:
        """Run an action on a unit (``app/0`` or ``app/leader``); return its results.

        Args:
            unit: that runs the action.
            action: of the unit's charm.
            typed: parameters as they are typed: ``key=value``, where the value is YAML.
            params: more of them by name, with underscores for dashes.

        Raises:
            ActionError: the action failed.
            JujuError: the charm has no such action, or Juju refuses the parameters.
        """
        target = self.unit(unit)
        if action not in target.app.charm.actions:
            raise JujuError(f"{target.app.name} has no action {action}")
        words = (*typed, *(_typed(name, value) for name, value in params.items()))
        try:
            given = action_parameters.parameters(words, target.app.charm.actions[action])
        except action_parameters.TypedParameterError as error:
            raise JujuError(f"juju run {unit} {action} {shlex.join(words)}: {error}") from error
        hook = _events.Hook(action)
        outcome = _hooks.run(target, hook, self._world(), given)
        self._after(target)
        return outcome.results

    def destroy(self, force: bool = False) -> None:
        """Remove every application, then the model.

        Args:
            force: a unit whose charm fails meanwhile is removed with a warning.
        """
        for app in self.apps:
            self.remove(app)
        try:
            while self.apps:
                self._wind_down(force)
        finally:
            self._discard()

    def _wind_down(self, force: bool) -> None:
        try:
            self.settle()
        except _hooks.HookError as error:
            if not force:
                raise
            warnings.warn(str(error), stacklevel=3)
            self._model(error.model).unit(error.unit).dead = True

    def _model(self, name: str) -> _agents.Agents:
        if name not in self.controller.models:
            raise JujuError(f"no model {name}")
        return self.controller.models[name]

    def _check_quota(self, *ends: tuple[Application, _charm.Endpoint]) -> None:
        for app, endpoint in ends:
            used = sum(
                side.endpoint == endpoint.name
                for relation in self.controller.relations_of(app)
                if not relation.dying
                for side in relation.sides_of(app)
            )
            if endpoint.limit is not None and used >= endpoint.limit:
                raise JujuError(f"{app.name}:{endpoint.name} takes {endpoint.limit} relations")


def _typed(name: str, value: object) -> str:
    """Return a parameter as a person types it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{name.replace('_', '-')}={text}"


def _same(relation: Relation, sides: tuple[Side, ...]) -> bool:
    ends = {(side.app, side.endpoint) for side in relation.sides}
    return not relation.dying and ends == {(side.app, side.endpoint) for side in sides}


def _is(side: Side, name: str) -> bool:
    app, endpoint = _endpoints.split(name)
    own = side.app.name if side.app else side.alias
    return app in (own, side.alias) and endpoint in (None, side.endpoint)


def _names(relation: Relation, left: str, right: str) -> bool:
    a, b = relation.sides
    return (_is(a, left) and _is(b, right)) or (_is(a, right) and _is(b, left))
