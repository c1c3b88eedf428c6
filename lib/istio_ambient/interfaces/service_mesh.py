# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `service_mesh` interface, provider side: labels out, requests for access in.

Every value in the databags is JSON. The provider's application databag holds `labels` (an object:
the labels that put a pod and its Service on the mesh) and `mesh_type` (`"istio"`); the requirer's
holds `policies`, a list of `MeshPolicy`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

import msgspec
import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames, urls
from istio_ambient.values.hostnames import DnsLabel
from istio_ambient.values.labels import LabelKey, LabelValue
from istio_ambient.values.problems import InvalidValueError, Problem, inside
from istio_ambient.values.urls import PolicyPath

MESH_TYPE = "istio"
MAX_POLICIES = 5_000
MAX_ENDPOINTS = 5_000
MAX_VALUES = 256
MAX_SELECTOR_LABELS = 32
MAX_TARGETS = 500
"""Targets of one application: each is an object in the cluster."""

_T = TypeVar("_T")
_Values = Annotated[tuple[_T, ...], pydantic.Field(max_length=MAX_VALUES, fail_fast=True)]
_Labels = Annotated[dict[LabelKey, LabelValue], pydantic.Field(max_length=MAX_SELECTOR_LABELS)]
_TargetType: TypeAlias = Literal["app", "unit"]


class Endpoint(Databag):
    """An operation with a target. A member that is null or empty restricts nothing."""

    hosts: _Values[hostnames.AuthorityPattern] | None = None
    """Values of `:authority`: exact, prefix `x*`, suffix `*x`, or `*`."""
    ports: _Values[urls.Port] | None = None
    """1 to 65535: of the Service for `app` targets, of the pods for `unit` targets."""
    methods: _Values[urls.Method] | None = None
    paths: _Values[PolicyPath] | None = None
    """Exact, prefix `/x*`, suffix `*x`, or a template with `{*}` and `{**}`."""

    @pydantic.model_validator(mode="after")
    def _restrict_something(self) -> "Endpoint":
        if not (self.hosts or self.ports or self.methods or self.paths):
            remedy = "name ports, methods, paths or hosts; or send no endpoints"
            raise InvalidValueError("restricts nothing", remedy)
        return self

    @property
    def is_l4(self) -> bool:
        """Whether it restricts by port only, which needs no waypoint."""
        return not (self.hosts or self.methods or self.paths)


class _Target(Databag, extra="ignore"):
    """The part of an entry that names its target."""

    target_app_name: DnsLabel | None = None
    target_selector_labels: _Labels | None = None
    target_service: DnsLabel | None = None
    target_type: _TargetType = "app"


class MeshPolicy(_Target, extra="forbid"):
    """A request to allow one application access to another.

    `app` policies apply at the waypoint of a Service; `unit` policies at the pods, by port only.
    """

    source_namespace: DnsLabel
    source_app_name: DnsLabel
    target_namespace: DnsLabel
    endpoints: Annotated[
        tuple[Endpoint, ...], pydantic.Field(max_length=MAX_ENDPOINTS, fail_fast=True)
    ] = ()
    """Empty: all operations."""

    @property
    def target(self) -> tuple[object, ...]:
        """What distinguishes targets."""
        labels = tuple(sorted((self.target_selector_labels or {}).items()))
        app = "" if self.target_service else self.target_app_name
        return self.target_type, self.target_namespace, self.target_service, app, labels

    @pydantic.model_validator(mode="after")
    def _one_target(self) -> "MeshPolicy":
        if self.target_type == "app":
            self._check_app()
        else:
            self._check_unit()
        return self

    def _check_app(self) -> None:
        if not (self.target_app_name or self.target_service):
            remedy = "name target_app_name or target_service"
            raise InvalidValueError("an app policy without target", remedy)
        if self.target_selector_labels:
            remedy = "use target_type unit for them"
            raise InvalidValueError("an app policy with target_selector_labels", remedy)

    def _check_unit(self) -> None:
        if self.target_service:
            remedy = "use target_type app for it"
            raise InvalidValueError("a unit policy with target_service", remedy)
        if bool(self.target_app_name) == bool(self.target_selector_labels):
            remedy = "name either target_app_name or target_selector_labels"
            raise InvalidValueError("a unit policy needs one target", remedy)
        if not all(endpoint.is_l4 for endpoint in self.endpoints):
            remedy = "restrict it by ports, or use target_type app"
            raise InvalidValueError("a unit policy with hosts, methods or paths", remedy)


class Unread(msgspec.Struct, frozen=True):
    """The target of an entry that was dropped, as far as it is known.

    Such a target must not stay open to all workloads because no entry about it is valid.
    """

    target_type: _TargetType | None = None
    """None: the target is not known either."""
    target_app_name: str | None = None
    target_service: str | None = None
    """None: not named; a Service has the name of its application then."""
    target_selector_labels: Mapping[str, str] | None = None

    @property
    def target(self) -> tuple[object, ...]:
        """What distinguishes targets, as for a `MeshPolicy`."""
        labels = tuple(sorted((self.target_selector_labels or {}).items()))
        return self.target_type, self.target_app_name, self.target_service, labels


class Policies(msgspec.Struct, frozen=True):
    """The requests of one application."""

    entries: Mapping[str, MeshPolicy] = msgspec.field(default_factory=dict[str, MeshPolicy])
    """The valid entries by their place in the databag: `policies[2]`."""
    unread: tuple[Unread, ...] = ()
    """The targets of the entries that were dropped."""


UNREADABLE = Policies(unread=(Unread(),))
"""The requests of an application whose databag could not be read."""


def parse_policies(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Policies, list[Problem]]:
    """Read the requests of an application.

    An entry with an invalid part is dropped, since dropping a restriction from it would widen
    access; the entries beside it stay. An unknown key is such a restriction, unless it is null.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    members = reader.members("policies", MAX_POLICIES)
    # Here a problem is about the list, or about entries beyond the limit.
    unread = [Unread()] if reader.problems else []
    policies: dict[str, MeshPolicy] = {}
    targets: set[tuple[object, ...]] = set()
    for number, member in enumerate(members):
        if member is None:
            continue
        place = inside("policies", number)
        policy = reader.entry(MeshPolicy, member, place)
        dropped = _unread(member) if policy is None else None
        targets.add(policy.target if policy else dropped.target if dropped else ())
        if len(targets) > MAX_TARGETS:
            message = f"{len(members) - number} entries from here on were not read"
            remedy = f"use at most {MAX_TARGETS} targets"
            reader.report(place, InvalidValueError(message, remedy))
            unread.append(Unread())
            break
        if policy:
            policies[place] = policy
        elif dropped:
            unread.append(dropped)
    return Policies(policies, tuple(unread)), reader.problems


def _unread(entry: Any) -> Unread:
    """Return the target of an invalid entry; without one where the entry is ambiguous."""
    try:
        target = _Target.model_validate(entry)
    except pydantic.ValidationError:
        return Unread()
    app, labels = target.target_app_name, target.target_selector_labels or None
    service = target.target_service
    if target.target_type == "app" and (app or service) and not labels:
        return Unread("app", app, target_service=service)
    is_for_pods = bool(app) != bool(labels) and not service and not _restricts_http(entry)
    if target.target_type == "unit" and is_for_pods:
        return Unread("unit", app, target_selector_labels=labels)
    return Unread()


def _restricts_http(entry: Any) -> bool:
    """Return whether an entry restricts by more than ports, as only `app` policies do."""
    endpoints = cast(dict[str, Any], entry).get("endpoints")
    listed = cast(list[Any], endpoints) if isinstance(endpoints, list) else []
    found = [cast(dict[str, Any], each) for each in listed if isinstance(each, dict)]
    return any(each.get(name) for each in found for name in ("hosts", "methods", "paths"))


def dump(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's application databag, every value JSON, in a stable order."""
    return {
        "labels": json.dumps(dict(labels), sort_keys=True),
        "mesh_type": json.dumps(MESH_TYPE),
    }
