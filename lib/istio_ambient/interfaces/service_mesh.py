# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `service_mesh` interface, provider side: labels out, requests for access in.

Every value in the databags is JSON. The provider's application databag holds `labels` (an object:
what a pod and its Service need to join) and `mesh_type` (`"istio"`); the requirer's holds
`policies`, a list of `MeshPolicy`.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values.problems import Problem

MESH_TYPE = "istio"
MAX_POLICIES = 5_000
MAX_ENDPOINTS = 5_000
MAX_VALUES = 256
MAX_SELECTOR_LABELS = 32

_MODEL = pydantic.ConfigDict(extra="forbid", frozen=True)

_Hosts = Annotated[tuple[_fields.Host, ...], pydantic.Field(max_length=MAX_VALUES)]
_Ports = Annotated[tuple[_fields.Port, ...], pydantic.Field(max_length=MAX_VALUES)]
_Methods = Annotated[tuple[_fields.Method, ...], pydantic.Field(max_length=MAX_VALUES)]
_Paths = Annotated[tuple[_fields.Path, ...], pydantic.Field(max_length=MAX_VALUES)]
_Labels = Annotated[
    dict[_fields.LabelKey, _fields.LabelValue], pydantic.Field(max_length=MAX_SELECTOR_LABELS)
]


class Endpoint(pydantic.BaseModel):
    """What of a target may be reached. A member that is null or empty restricts nothing."""

    model_config = _MODEL

    hosts: _Hosts | None = None
    """Values of `:authority`: exact, prefix `x*`, suffix `*x`, or `*`."""
    ports: _Ports | None = None
    """1 to 65535: of the Service for `app` targets, of the pods for `unit` targets."""
    methods: _Methods | None = None
    paths: _Paths | None = None
    """Exact, prefix `/x*`, suffix `*x`, or a template with `{*}` and `{**}`."""

    @pydantic.model_validator(mode="after")
    def _restrict_something(self) -> "Endpoint":
        if not (self.hosts or self.ports or self.methods or self.paths):
            raise _validation.refused(
                "restricts nothing", "name ports, methods, paths or hosts; or send no endpoints"
            )
        return self

    @property
    def is_l4(self) -> bool:
        """Whether it restricts by port alone, which needs no waypoint."""
        return not (self.hosts or self.methods or self.paths)


class MeshPolicy(pydantic.BaseModel):
    """A request to let one application reach another.

    `app` policies hold at the waypoint of a Service; `unit` policies at the pods, by port only.
    """

    model_config = _MODEL

    source_namespace: _fields.DnsLabel
    source_app_name: _fields.DnsLabel
    target_namespace: _fields.DnsLabel
    target_app_name: _fields.DnsLabel | None = None
    target_selector_labels: _Labels | None = None
    target_service: _fields.DnsLabel | None = None
    target_type: Literal["app", "unit"] = "app"
    endpoints: Annotated[tuple[Endpoint, ...], pydantic.Field(max_length=MAX_ENDPOINTS)] = ()
    """Empty: everything."""

    @pydantic.model_validator(mode="after")
    def _one_target(self) -> "MeshPolicy":
        if self.target_type == "app":
            self._check_app()
        else:
            self._check_unit()
        return self

    def _check_app(self) -> None:
        if not (self.target_app_name or self.target_service):
            raise _validation.refused(
                "an app policy without target", "name target_app_name or target_service"
            )
        if self.target_selector_labels:
            raise _validation.refused(
                "an app policy with target_selector_labels", "use target_type unit for them"
            )

    def _check_unit(self) -> None:
        if self.target_service:
            raise _validation.refused(
                "a unit policy with target_service", "use target_type app for it"
            )
        if bool(self.target_app_name) == bool(self.target_selector_labels):
            raise _validation.refused(
                "a unit policy needs one target",
                "name either target_app_name or target_selector_labels",
            )
        if not all(endpoint.is_l4 for endpoint in self.endpoints):
            raise _validation.refused(
                "a unit policy with hosts, methods or paths",
                "restrict it by ports, or use target_type app",
            )


@dataclasses.dataclass(frozen=True)
class Unread:
    """What can be told of an entry that was left out: which target it was about.

    Such a target must not be left open to everybody just because nothing is known to be allowed.
    """

    target_type: Literal["app", "unit"] | None = None
    """None: not even the target can be told."""
    target_app_name: str | None = None
    target_service: str | None = None
    """None: not named; a Service has the name of its application then."""
    target_selector_labels: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Policies:
    """What one application asks for."""

    entries: Mapping[str, MeshPolicy] = dataclasses.field(default_factory=dict[str, MeshPolicy])
    """The good entries, by where they stand in the databag: `policies[2]`."""
    unread: tuple[Unread, ...] = ()
    """What was left out."""


def parse_policies(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Policies, list[Problem]]:
    """Read what an application asks for; never raises for what stands in the databag.

    An entry with anything wrong in it is left out whole, since a restriction that is not
    understood must not be dropped from it; the entries beside it stay. A key that is not known
    is such a restriction, unless it is null.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    text = databag.get("policies")
    if text is None:
        return Policies(), []
    try:
        entries = _json.decode(text)
    except _json.MalformedError as error:
        problem = Problem(app, endpoint, "policies", str(error), error.remedy)
        return Policies(unread=(Unread(),)), [problem]
    if entries is None:
        return Policies(), []
    if not isinstance(entries, list):
        problem = Problem(app, endpoint, "policies", "not a list", "send a JSON list")
        return Policies(unread=(Unread(),)), [problem]
    return _parse_entries(entries, app, endpoint)  # pyright: ignore[reportUnknownArgumentType]


def _parse_entries(entries: list[Any], app: str, endpoint: str) -> tuple[Policies, list[Problem]]:
    policies: dict[str, MeshPolicy] = {}
    unread: list[Unread] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries[:MAX_POLICIES]):
        if entry is None:
            continue
        field = f"policies[{number}]"
        try:
            policies[field] = MeshPolicy.model_validate(_without_unknown_nulls(entry))
        except pydantic.ValidationError as error:
            unread.append(_unread(entry))
            problems += _validation.problems_of(error, app=app, endpoint=endpoint, field=field)
    if len(entries) > MAX_POLICIES:
        message = f"{len(entries)} entries, of which {MAX_POLICIES} were read"
        remedy = f"send at most {MAX_POLICIES}"
        unread.append(Unread())
        problems.append(Problem(app, endpoint, "policies", message, remedy))
    return Policies(policies, tuple(unread)), problems


class _Target(pydantic.BaseModel):
    """The part of an entry that says what it is about."""

    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    target_app_name: _fields.DnsLabel | None = None
    target_selector_labels: _Labels | None = None
    target_service: _fields.DnsLabel | None = None
    target_type: Literal["app", "unit"] = "app"


def _unread(entry: Any) -> Unread:
    """Return the target of a bad entry; one that can be meant in two ways is none."""
    try:
        target = _Target.model_validate(entry)
    except pydantic.ValidationError:
        return Unread()
    app, labels = target.target_app_name, target.target_selector_labels or None
    service = target.target_service
    if target.target_type == "app" and (app or service) and not labels:
        return Unread("app", app, target_service=service)
    for_pods = bool(app) != bool(labels) and not service and not _speaks_http(entry)
    if target.target_type == "unit" and for_pods:
        return Unread("unit", app, target_selector_labels=labels)
    return Unread()


def _speaks_http(entry: Any) -> bool:
    """Return whether an entry restricts by more than ports, as only `app` policies do."""
    endpoints = cast(dict[str, Any], entry).get("endpoints")
    listed = cast(list[Any], endpoints) if isinstance(endpoints, list) else []
    found = [cast(dict[str, Any], each) for each in listed if isinstance(each, dict)]
    return any(each.get(name) for each in found for name in ("hosts", "methods", "paths"))


def _without_unknown_nulls(entry: Any) -> Any:
    # A later release of the requirer's library sends its new optional fields as null.
    if not isinstance(entry, dict):
        return entry
    known: dict[str, Any] = {
        key: value
        for key, value in entry.items()  # pyright: ignore[reportUnknownVariableType]
        if value is not None or key in MeshPolicy.model_fields
    }
    endpoints = known.get("endpoints")
    if isinstance(endpoints, list):
        known["endpoints"] = [_endpoint_without_unknown_nulls(item) for item in endpoints]  # pyright: ignore[reportUnknownVariableType]
    return known


def _endpoint_without_unknown_nulls(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        key: value
        for key, value in entry.items()  # pyright: ignore[reportUnknownVariableType]
        if value is not None or key in Endpoint.model_fields
    }


def dump(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's application databag, every value JSON, in a stable order."""
    return {
        "labels": json.dumps(dict(labels), sort_keys=True),
        "mesh_type": json.dumps(MESH_TYPE),
    }
