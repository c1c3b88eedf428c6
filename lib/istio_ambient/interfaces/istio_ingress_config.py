# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `istio_ingress_config` interface, both sides: the external authorizer of an ingress.

The ingress charm is the provider: its application databag names an external authorizer in plain
strings, and lists of headers in JSON. The control plane, the requirer, replies with the name that
the authorizer has in the MeshConfig. A databag cannot be cleared across models, so one that names
service `fake_host`, port `5432`, names no authorizer.

`ext_authz_path_prefix` is an addition of ours, on both sides: a plain string that is put before
the path of the check request, `/` for none. The control plane repeats the prefix that is in use.
One that does not know the key sends check requests without the prefix, and the authorizer may
answer these with a page that means no decision.
"""

import json
import re
from collections.abc import Mapping
from typing import Literal

import msgspec
import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames, urls
from istio_ambient.values.headers import HeaderPatterns
from istio_ambient.values.problems import InvalidValueError, Problem

PROVIDER_NAME = "ext_authz_provider_name"
NO_AUTHORIZER = ("fake_host", "5432")
PATH_PREFIX = "ext_authz_path_prefix"
REPLY_KEYS = (PROVIDER_NAME, PATH_PREFIX)
"""The keys of the requirer's application databag."""

_PROVIDER_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"


class Authorizer(Databag, extra="ignore"):
    """A service that decides about requests. Each key restricts on its own account."""

    service: hostnames.ServiceHost = pydantic.Field(alias="ext_authz_service_name")
    port: urls.PortText = pydantic.Field(alias="ext_authz_port")
    protocol: Literal["http", "grpc"] = pydantic.Field(default="http", alias="ext_authz_protocol")
    path_prefix: urls.PathPrefix = pydantic.Field(default="", alias=PATH_PREFIX)
    """Over HTTP only."""
    include_headers_in_check: HeaderPatterns = ()
    headers_to_upstream_on_allow: HeaderPatterns = ()
    headers_to_downstream_on_allow: HeaderPatterns = ()
    headers_to_downstream_on_deny: HeaderPatterns = ()


_PLAIN = tuple(field.alias for field in Authorizer.model_fields.values() if field.alias)
_LISTS = tuple(name for name, field in Authorizer.model_fields.items() if not field.alias)
"""Keys that hold JSON."""


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Authorizer | None, list[Problem]]:
    """Read the authorizer of an ingress; None while it names none, or any key is invalid.

    Without an authorizer the ingress denies every request; with half of one it might allow more
    than the whole would.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    service, port = databag.get("ext_authz_service_name"), databag.get("ext_authz_port")
    if service is None or port is None or (service, port) == NO_AUTHORIZER:
        return None, []
    reader = Reader(databag, app=app, endpoint=endpoint)
    return reader.whole(Authorizer, plain=_PLAIN), reader.problems


class Reply(msgspec.Struct, frozen=True):
    """The control plane's answer about our authorizer."""

    provider_name: str = ""
    """Its name in the MeshConfig; empty while it has none."""
    path_prefix: str = ""
    """The prefix of its check requests."""


def dump(reply: Reply) -> dict[str, str]:
    """Return the requirer's application databag."""
    return {PROVIDER_NAME: reply.provider_name, PATH_PREFIX: reply.path_prefix or "/"}


def parse_reply(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Reply, list[Problem]]:
    """Read the control plane's answer about our authorizer.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    name = databag.get(PROVIDER_NAME, "")
    if not name or re.fullmatch(_PROVIDER_NAME, name):
        return Reply(name, databag.get(PATH_PREFIX, "").rstrip("/")), []
    error = InvalidValueError("not the name of a provider", "use letters, digits and '-'")
    reader.report(PROVIDER_NAME, error)
    return Reply(), reader.problems


def dump_authorizer(authorizer: Authorizer | None, published: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's application databag.

    Args:
        authorizer: the service that decides; None: the ingress has none.
        published: what the databag holds now. A deleted key may stay at the other side of a
            relation across models, so a path prefix is overwritten and not deleted.
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
