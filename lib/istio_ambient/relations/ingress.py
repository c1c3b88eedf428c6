# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `ingress` interface, version 2, provider side: a URL out, one backend in.

Every value in the databags is JSON. The requirer's application databag holds `model`, `name` and
`port`, and what it wants otherwise than by default: `strip-prefix`, `redirect-https`, `scheme`,
`healthcheck_params`, `is_port_open`. The provider's holds `ingress`: `{"url": "…"}`.

The requirer's units also write `host` and `ip`. They are not read: requests go to the Service of
the application, whose endpoints are its ready pods.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient.problems import Problem
from istio_ambient.relations import _fields, _json, _validation

URL_KEY = "ingress"
"""The only key of the provider's application databag."""


def _without_null(value: bool | None) -> bool:
    return bool(value)


_Flag = Annotated[pydantic.StrictBool | None, pydantic.AfterValidator(_without_null)]


class Request(pydantic.BaseModel):
    """What an application asks to be reachable from outside."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    model: _fields.DnsLabel
    """The Juju model that the application runs in, by the application's own account."""
    name: _fields.DnsLabel
    """The application's name there, which is the name of its Service."""
    port: _fields.Port
    """A port of that Service."""
    strip_prefix: _Flag = pydantic.Field(default=False, alias="strip-prefix")
    """Whether `/<model>-<name>` is cut off before the application sees the path."""
    redirect_https: _Flag = pydantic.Field(default=False, alias="redirect-https")
    scheme: Literal["http", "https", "h2c"] | None = "http"
    """What the application's port speaks."""
    healthcheck_params: dict[str, Any] | None = None
    is_port_open: pydantic.StrictBool | None = None


_KNOWN = frozenset(field.alias or name for name, field in Request.model_fields.items())


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Request | None, list[Problem]]:
    """Read what an application asks for; never raises for what stands in the databag.

    An empty databag asks for nothing. One with anything wrong in it is left out whole, unknown
    keys that are not null included: they may restrict what the others ask for.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    if not databag:
        return None, []
    content: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, text in sorted(databag.items()):
        if key not in _KNOWN:
            if text.strip() != "null":
                content[key] = text
            continue
        try:
            content[key] = _json.decode(text)
        except _json.MalformedError as error:
            problems.append(Problem(app, endpoint, key, str(error), error.cure))
    if problems:
        return None, problems[: _validation.MAX_PER_ENTRY]
    try:
        return Request.model_validate(content), []
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field="")
        return None, [dataclasses.replace(p, field=p.field.removeprefix(".")) for p in found]


def dump(url: str) -> dict[str, str]:
    """Return the provider's application databag for an application that is reachable at `url`."""
    return {URL_KEY: json.dumps({"url": url})}
