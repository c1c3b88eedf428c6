# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `ingress` interface, version 2: a URL out, one backend in.

Every value in the databags is JSON. The requirer's application databag holds `model`, `name` and
`port`, and what it wants otherwise than by default: `strip-prefix`, `redirect-https`, `scheme`,
`healthcheck_params`, `is_port_open`. The provider's holds `ingress`: `{"url": "…"}`.

The requirer's units also write `host` and `ip`. As the provider we do not read them: requests go
to the Service of the application, whose endpoints are its ready pods. Behind another ingress we
are the requirer; providers outside of the cluster send requests to `host`.
"""

import dataclasses
import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values import hostnames
from istio_ambient.values.problems import Problem

URL_KEY = "ingress"
"""The only key of the provider's application databag."""
HOST_KEY, IP_KEY = "host", "ip"
"""The keys of the databags of the requirer's units."""
_PATH = re.compile(r"(/[A-Za-z0-9._~%!$&'()*+,;:@=-]+)*/?")


def _without_null(value: bool | None) -> bool:
    return bool(value)


_Flag = Annotated[pydantic.StrictBool | None, pydantic.AfterValidator(_without_null)]


class IngressRequirerData(pydantic.BaseModel):
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


_KNOWN = frozenset(field.alias or name for name, field in IngressRequirerData.model_fields.items())


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[IngressRequirerData | None, list[Problem]]:
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
            problems.append(Problem(app, endpoint, key, str(error), error.remedy))
    if problems:
        return None, problems[: _validation.MAX_PER_ENTRY]
    try:
        return IngressRequirerData.model_validate(content), []
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field="")
        return None, [dataclasses.replace(p, field=p.field.removeprefix(".")) for p in found]


def dump(url: str) -> dict[str, str]:
    """Return the provider's application databag for an application that is reachable at `url`."""
    return {URL_KEY: json.dumps({"url": url})}


def request(
    *, model: str, name: str, port: int, scheme: Literal["http", "https"], strip_prefix: bool
) -> dict[str, str]:
    """Return the requirer's application databag, in which keys at their default are left out."""
    content: dict[str, Any] = {"model": model, "name": name, "port": port}
    if scheme != "http":
        content["scheme"] = scheme
    if strip_prefix:
        content["strip-prefix"] = True
    return {key: json.dumps(value) for key, value in content.items()}


def request_unit(host: str) -> dict[str, str]:
    """Return the databag of a unit of the requirer that is reached at an address or a DNS name."""
    address = {IP_KEY: json.dumps(host)} if hostnames.is_ip(host) else {}
    return {HOST_KEY: json.dumps(host), **address}


def parse_url(databag: Mapping[str, str], *, app: str, endpoint: str) -> tuple[str, list[Problem]]:
    """Read under which URL a provider serves us, with no `/` at its end; empty while it does not.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    try:
        value = _json.decode(databag.get(URL_KEY, "null"))
    except _json.MalformedError as error:
        return "", [Problem(app, endpoint, URL_KEY, str(error), error.remedy)]
    if value is None:
        return "", []
    try:
        return _Provided.model_validate(value).url, []
    except pydantic.ValidationError as error:
        return "", _validation.problems_of(error, app=app, endpoint=endpoint, field=URL_KEY)


def _url(text: str) -> str:
    remedy = "send http:// or https://, a host, and at most a port and a path"
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _validation.refused("not a URL", remedy) from None
    in_url = hostnames.in_url(host) + (f":{port}" if port is not None else "")
    if (
        parts.scheme not in ("http", "https")
        or in_url != parts.netloc.lower()
        or not (hostnames.is_ip(host) or hostnames.is_hostname(host))
        or port == 0
        or "?" in text
        or "#" in text
        or not _PATH.fullmatch(parts.path)
    ):
        raise _validation.refused("not the URL of an ingress", remedy)
    return f"{parts.scheme}://{in_url}{parts.path.rstrip('/')}"


class _Provided(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    url: Annotated[
        str, pydantic.Field(strict=True, max_length=2048), pydantic.AfterValidator(_url)
    ]
