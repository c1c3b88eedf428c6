# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `ingress` interface, version 2: a URL out, one backend in.

Every value in the databags is JSON. The requirer's application databag holds `model`, `name` and
`port`, and the keys that differ from their default: `strip-prefix`, `redirect-https`, `scheme`,
`healthcheck_params`, `is_port_open`. The provider's holds `ingress`: `{"url": "…"}`.

The requirer's units also write `host` and `ip`. As the provider we do not read them: requests are
sent to the Service of the application, whose endpoints are its ready pods. Behind another ingress
we are the requirer; providers outside of the cluster send requests to `host`.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames, urls
from istio_ambient.values.problems import InvalidValueError, Problem

URL_KEY = "ingress"
"""The only key of the provider's application databag."""
HOST_KEY, IP_KEY = "host", "ip"
"""The keys of the databags of the requirer's units."""
_PATH = r"(/[A-Za-z0-9._~%!$&()*+,;:@=-]+)*/?"


class IngressRequirerData(Databag):
    """The backend for which an application requests a URL."""

    model: hostnames.DnsLabel
    """The Juju model that the application runs in, as the application has written it."""
    name: hostnames.DnsLabel
    """The application's name there, which is the name of its Service."""
    port: urls.Port
    """A port of that Service."""
    strip_prefix: pydantic.StrictBool = pydantic.Field(default=False, alias="strip-prefix")
    """Whether `/<model>-<name>` is cut off before the application receives the path."""
    redirect_https: pydantic.StrictBool = pydantic.Field(default=False, alias="redirect-https")
    scheme: Literal["http", "https", "h2c"] = "http"
    """The protocol of the application's port."""
    healthcheck_params: dict[pydantic.StrictStr, Any] | None = None
    is_port_open: pydantic.StrictBool | None = None


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[IngressRequirerData | None, list[Problem]]:
    """Read the backend of an application; None where the databag is empty or any key is invalid.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    return (reader.whole(IngressRequirerData) if databag else None), reader.problems


def dump(url: str) -> dict[str, str]:
    """Return the provider's application databag for an application with this URL."""
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
    """Return the databag of a unit of the requirer; the host is an IP address or a DNS name."""
    address = {IP_KEY: json.dumps(host)} if hostnames.is_ip(host) else {}
    return {HOST_KEY: json.dumps(host), **address}


def _url(text: str) -> str:
    url = urls.split(text)
    if "?" in text or not re.fullmatch(_PATH, url.path):
        remedy = "send http:// or https://, a host, and at most a port and a path"
        raise InvalidValueError("not the URL of an ingress", remedy)
    return url.base + url.path.rstrip("/")


class _Provided(Databag, extra="ignore"):
    url: Annotated[pydantic.StrictStr, pydantic.AfterValidator(_url)]


def parse_url(databag: Mapping[str, str], *, app: str, endpoint: str) -> tuple[str, list[Problem]]:
    """Read the URL that a provider serves us under, without `/` at its end; empty: none (yet).

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    provided = reader.object(URL_KEY, _Provided, nullable=True)
    return (provided.url if provided else ""), reader.problems
