# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Runs one hook: the charm's real code, with the kubeconfig of its own ServiceAccount."""

import logging
import os
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ops
from ops import testing

from tests.lab.juju import _events, _exec, _kubernetes, _requests, _secrets, _sleep
from tests.lab.juju._entities import Relation, Side, Unit

# ops logs from DEBUG up. Charms of others have an HTTP client that logs each byte.
for _name in ("httpcore", "httpx", "ops-scenario"):
    logging.getLogger(_name).setLevel(logging.WARNING)

JUJU_VERSION = "3.6.13"
MAX_MESSAGE = 120
"""Bytes of a status message that Juju shows."""
LOG_TAIL = 40
"""Lines of juju-log in a HookError."""


class HookError(AssertionError):
    """A charm raised an exception in a hook; Juju shows status *error*."""

    def __init__(self, model: str, unit: str, hook: str, trace: str, log: Iterable[str]):
        self.model = model
        self.unit = unit
        self.hook = hook
        tail = "\n".join(f"  {line}" for line in log)
        super().__init__(f"{unit}: hook {hook} failed\n{trace}\njuju-log:\n{tail}")


class ActionError(AssertionError):
    """An action failed: ``event.fail`` was called."""

    def __init__(self, unit: str, action: str, message: str, results: Mapping[str, Any]):
        self.message = message
        self.results = dict(results)
        super().__init__(f"{unit}: action {action} failed: {message}")


@dataclass(frozen=True)
class World:
    """The state that a hook sees beside its unit."""

    model: testing.Model
    relations: list[Relation]
    secrets: dict[str, _secrets.Secret]
    cluster: _kubernetes.Cluster


@dataclass(frozen=True)
class Outcome:
    """The changes of a hook that are visible outside its unit."""

    changed: tuple[str, ...]
    """Written databags, as ``application:endpoint`` or ``application/unit:endpoint``."""
    results: dict[str, Any]
    """Results of an action."""


def run(
    unit: Unit, hook: _events.Hook, world: World, params: Mapping[str, Any] | None = None
) -> Outcome:
    """Run one hook (or, with ``params``, the action named by ``hook.kind``) on one unit.

    Raises:
        HookError: the charm raised.
        ActionError: the action called ``fail``.
    """
    if hook.kind == "relation-created" and hook.side:
        hook.side.write_unit(unit.number, addresses(unit))
    state = _state(unit, hook, world)
    with testing.Context(
        unit.app.charm.type,
        meta=dict(unit.app.charm.meta),
        app_name=unit.app.name,
        unit_id=unit.number,
        charm_root=unit.app.staged,
        juju_version=JUJU_VERSION,
        app_trusted=unit.app.trusted,
    ) as context:
        if params is None:
            event = _event(context, state, hook)
        else:
            event = context.on.action(hook.kind, params=dict(params))
        try:
            with (
                _environment(unit),
                _requests.recording(unit.name, str(hook)),
                _sleep.forbidden(unit.app.charm.root),
                _exec.sending(world.cluster, world.model.name, unit),
            ):
                after = context.run(event, state)
        except testing.errors.UncaughtCharmError as error:
            raise _hook_error(world.model.name, unit, hook, error, context) from None
        except testing.ActionFailed as error:
            unit.log += context.juju_log
            raise ActionError(
                unit.name, hook.kind, error.message, context.action_results or {}
            ) from None
        unit.log += context.juju_log
        results = dict(context.action_results or {})
    changed = tuple(_absorb(unit, state, after, world))
    return Outcome(changed, results)


def addresses(unit: Unit) -> dict[str, str]:
    """Return the addresses that Juju writes into the databag of a unit that joins a relation."""
    address = unit.app.service_address or unit.address
    return {
        "egress-subnets": f"{address}/32",
        "ingress-address": address,
        "private-address": address,
    }


def _state(unit: Unit, hook: _events.Hook, world: World) -> testing.State:
    app = unit.app
    relations = [
        _relation(unit, relation, side, hook)
        for relation in world.relations
        for side in relation.sides_of(app)
        if (relation.id, side.endpoint) in unit.scopes or relation is hook.relation
    ]
    secrets = [
        _secrets.view(secret, unit)
        for secret in world.secrets.values()
        if secret.owned_by(unit) or secret.granted_to(unit, world.relations)
    ]
    address = unit.address or "10.244.255.254"
    networks = [
        testing.Network(
            endpoint,
            [testing.BindAddress([testing.Address(address)], interface_name="eth0")],
            ingress_addresses=[app.service_address or address],
            egress_subnets=[f"{app.service_address or address}/32"],
        )
        for endpoint in app.charm.endpoints
    ]
    return testing.State(
        config=app.config,
        relations=relations,
        networks=networks,
        containers=unit.containers.values(),
        opened_ports=unit.opened_ports,
        leader=app.leader == unit.number,
        model=world.model,
        secrets=secrets,
        planned_units=app.planned_units,
        deferred=unit.deferred,
        stored_states=unit.stored_states,
        app_status=app.status,
        unit_status=unit.status,
        workload_version=unit.version,
    )


def _relation(
    unit: Unit, relation: Relation, side: Side, hook: _events.Hook
) -> testing.RelationBase:
    own = dict(side.unit_data.get(unit.number, {}))
    other = relation.other(side)
    scope = unit.scopes.get((relation.id, side.endpoint))
    # Units are listed from their relation-joined on, until their relation-departed.
    known = set(scope.members) if scope else set[int]()
    if relation is hook.relation and hook.remote_unit is not None:
        change = {hook.remote_unit}
        known = known - change if hook.kind == "relation-departed" else known | change
    remote = {n: dict(other.unit_data.get(n, {})) for n in sorted(known)}
    if relation.peer:
        return testing.PeerRelation(
            side.endpoint,
            relation.interface,
            id=relation.id,
            local_app_data=dict(side.app_data),
            local_unit_data=own,
            peers_data=remote,
        )
    return testing.Relation(
        side.endpoint,
        relation.interface,
        id=relation.id,
        local_app_data=dict(side.app_data),
        local_unit_data=own,
        remote_app_name=other.alias,
        remote_app_data=dict(other.app_data),
        remote_units_data=remote,
        remote_model_uuid=other.model_uuid,
    )


def _event(context: testing.Context[Any], state: testing.State, hook: _events.Hook) -> Any:
    """Return the ops.testing event, whose class is not public."""
    on = context.on
    if hook.relation:
        relation = state.get_relation(hook.relation.id)
        match hook.kind:
            case "relation-created":
                return on.relation_created(relation)
            case "relation-broken":
                return on.relation_broken(relation)
            case "relation-departed":
                return on.relation_departed(
                    relation, remote_unit=hook.remote_unit, departing_unit=hook.remote_unit
                )
            case "relation-joined":
                return on.relation_joined(relation, remote_unit=hook.remote_unit)
            case _:
                # ops.testing requires a unit for a change of the application's databag too.
                unit = hook.remote_unit
                members = _members(relation)
                unit = min(members) if unit is None and members else unit
                return on.relation_changed(relation, remote_unit=unit)
    if hook.container:
        container = state.get_container(hook.container)
        if hook.check is None:
            return on.pebble_ready(container)
        info = container.get_check_info(hook.check)
        if hook.kind == "pebble-check-failed":
            return on.pebble_check_failed(container, info)
        return on.pebble_check_recovered(container, info)
    if hook.secret:
        return _secret_event(on, state.get_secret(id=hook.secret), hook)
    return getattr(on, hook.kind.replace("-", "_"))()


def _members(relation: testing.RelationBase) -> set[int]:
    if isinstance(relation, testing.PeerRelation):
        return set(relation.peers_data)
    return set(relation.remote_units_data) if isinstance(relation, testing.Relation) else set()


def _secret_event(on: testing.CharmEvents, secret: testing.Secret, hook: _events.Hook) -> Any:
    match hook.kind:
        case "secret-changed":
            return on.secret_changed(secret)
        case "secret-rotate":
            return on.secret_rotate(secret)
        case "secret-expired":
            return on.secret_expired(secret, revision=hook.revision or 1)
        case _:
            return on.secret_remove(secret, revision=hook.revision or 1)


class _environment:  # noqa: N801  (a context manager of this module)
    """Makes lightkube use the application's ServiceAccount, as its pod's token does."""

    def __init__(self, unit: Unit):
        self._kubeconfig = str(unit.app.kubeconfig)
        self._before = os.environ.get("KUBECONFIG")

    def __enter__(self) -> None:
        os.environ["KUBECONFIG"] = self._kubeconfig

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["KUBECONFIG"]
        else:
            os.environ["KUBECONFIG"] = self._before


def _hook_error(
    model: str,
    unit: Unit,
    hook: _events.Hook,
    error: BaseException,
    context: testing.Context[Any],
) -> HookError:
    unit.log += context.juju_log
    cause = error.__cause__ or error
    # The charm's own frames, without the frames of ops that called them.
    frames = traceback.extract_tb(cause.__traceback__)
    ours = [f for f in frames if "/site-packages/ops/" not in f.filename]
    ours = [f for f in ours if "/site-packages/scenario/" not in f.filename]
    trace = "".join(traceback.format_list(ours)) + "".join(
        traceback.format_exception_only(type(cause), cause)
    )
    log = [f"{line.level}: {line.message}" for line in context.juju_log]
    return HookError(model, unit.name, str(hook), trace, log[-LOG_TAIL:])


def _absorb(
    unit: Unit, before: testing.State, after: testing.State, world: World
) -> Iterable[str]:
    unit.containers = {name: after.get_container(name) for name in unit.containers}
    unit.deferred = list(after.deferred)
    unit.stored_states = after.stored_states
    unit.opened_ports = after.opened_ports
    message = after.unit_status.message
    assert len(message.encode()) <= MAX_MESSAGE, message
    unit.status = ops.StatusBase.from_name(after.unit_status.name, message)
    unit.version = after.workload_version
    unit.app.status = ops.StatusBase.from_name(after.app_status.name, after.app_status.message)
    _secrets.absorb(world.secrets, unit, {s.id for s in before.secrets}, after.secrets)
    changed: list[str] = []
    for relation in world.relations:
        for side in relation.sides_of(unit.app):
            seen = [r for r in after.get_relations(side.endpoint) if r.id == relation.id]
            for data in seen:
                if side.write(dict(data.local_app_data)):
                    changed.append(side.name)
                if side.write_unit(unit.number, dict(data.local_unit_data)):
                    changed.append(f"{unit.name}:{side.endpoint}")
    return changed
