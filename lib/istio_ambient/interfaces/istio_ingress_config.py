# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_ingress_config` interface, both sides: who an ingress asks for permission.

The ingress charm is the provider: its application databag names an external authorizer in plain
strings, and lists of headers in JSON. The control plane, the requirer, replies with the name that
the mesh knows it by. A databag cannot be cleared across models, so one that names service
`fake_host`, port `5432`, means none.

`ext_authz_path_prefix` is an addition of ours, on both sides: a plain string, put before the path
that the authorizer is asked about, `/` for none. The control plane repeats the one in use, since
one that does not know the key asks without, and may take some other page for a decision.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values.problems import Problem

PROVIDER_NAME = "ext_authz_provider_name"
MAX_HEADERS = 64
NO_AUTHORIZER = ("fake_host", "5432")
PATH_PREFIX = "ext_authz_path_prefix"
REPLY_KEYS = (PROVIDER_NAME, PATH_PREFIX)
"""The keys of the requirer's application databag."""

_PROVIDER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

_Headers = Annotated[tuple[_fields.Header, ...], pydantic.Field(max_length=MAX_HEADERS)]


class Authorizer(pydantic.BaseModel):
    """A service that decides about requests."""

    # New keys are ignored: each of the known ones restricts by itself.
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    service: _fields.ServiceHost = pydantic.Field(alias="ext_authz_service_name")
    port: _fields.Port = pydantic.Field(alias="ext_authz_port")
    protocol: Literal["http", "grpc"] = pydantic.Field("http", alias="ext_authz_protocol")
    path_prefix: _fields.PathPrefix = pydantic.Field("", alias=PATH_PREFIX)
    """Over HTTP only."""
    include_headers_in_check: _Headers = ()
    headers_to_upstream_on_allow: _Headers = ()
    headers_to_downstream_on_allow: _Headers = ()
    headers_to_downstream_on_deny: _Headers = ()


_LISTS = tuple(name for name, field in Authorizer.model_fields.items() if field.alias is None)
"""Keys that hold JSON."""


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Authorizer | None, list[Problem]]:
    """Read which authorizer an ingress names; None while it names none.

    One with anything wrong in it is left out whole: no authorizer means that the ingress lets
    nobody in, half of one might let in too many.
    """
    service, port = databag.get("ext_authz_service_name"), databag.get("ext_authz_port")
    if service is None or port is None or (service, port) == NO_AUTHORIZER:
        return None, []
    content: dict[str, Any] = dict(databag)
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    content["ext_authz_port"] = int(port) if is_number else port
    problems: list[Problem] = []
    for key in _LISTS:
        try:
            content[key] = _json.decode(databag.get(key, "null"))
        except _json.MalformedError as error:
            problems.append(Problem(app, endpoint, key, str(error), error.remedy))
        if content.get(key) is None:
            content.pop(key, None)
    if problems:
        return None, problems[: _validation.MAX_PER_ENTRY]
    try:
        return Authorizer.model_validate(content), []
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field="")
        return None, [dataclasses.replace(p, field=p.field.removeprefix(".")) for p in found]


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the control plane says of our authorizer."""

    provider_name: str = ""
    """What the mesh calls it; empty while it does not know it."""
    path_prefix: str = ""
    """What it is asked with."""


def dump(reply: Reply) -> dict[str, str]:
    """Return the requirer's application databag."""
    return {PROVIDER_NAME: reply.provider_name, PATH_PREFIX: reply.path_prefix or "/"}


def parse_reply(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Reply, list[Problem]]:
    """Read what the control plane says of our authorizer.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    name = databag.get(PROVIDER_NAME, "")
    if not name or _PROVIDER_NAME.fullmatch(name):
        return Reply(name, databag.get(PATH_PREFIX, "").rstrip("/")), []
    remedy = "use letters, digits and '-'"
    return Reply(), [Problem(app, endpoint, PROVIDER_NAME, "not the name of a provider", remedy)]


def dump_authorizer(authorizer: Authorizer | None, published: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's application databag.

    Args:
        authorizer: whom to ask; None: nobody.
        published: what the databag holds now. A key that is deleted may stay at the other end of
            a relation across models, so a path prefix is overwritten.
    """
    if authorizer is None:
        service, port = NO_AUTHORIZER
        return {"ext_authz_service_name": service, "ext_authz_port": port}
    databag = {
        "ext_authz_service_name": authorizer.service,
        "ext_authz_port": str(authorizer.port),
        "ext_authz_protocol": authorizer.protocol,
        **{key: json.dumps(list(getattr(authorizer, key))) for key in _LISTS},
    }
    if authorizer.path_prefix or PATH_PREFIX in published:
        databag[PATH_PREFIX] = authorizer.path_prefix or "/"
    return databag
