# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `forward_auth` interface, requirer side: who decides whether a request may pass.

The provider's application databag holds `decisions_address` (a plain string, a URL), `app_names`
and `headers` (JSON lists, the latter optional). The requirer's holds `ingress_app_names`: a JSON
list of the applications whose requests are asked about.

`app_names`, the applications that the provider means to protect, is not read: every request that
is not explicitly let through without authentication is asked about, whoever it is for.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values import urls
from istio_ambient.values.problems import Problem

ADDRESS = "decisions_address"
APPS = "ingress_app_names"
"""The only key of the requirer's application databag."""
MAX_HEADERS = 64


class Decisions(pydantic.BaseModel):
    """The service that decides."""

    model_config = pydantic.ConfigDict(frozen=True)

    host: _fields.ServiceHost
    port: _fields.Port
    path_prefix: _fields.PathPrefix = ""
    """Put before the path of the request that is asked about."""
    headers: Annotated[tuple[_fields.Header, ...], pydantic.Field(max_length=MAX_HEADERS)] = ()
    """What of the answer the application gets to see; empty: the provider does not say."""


class _Address(pydantic.BaseModel):
    url: Annotated[str, pydantic.AfterValidator(urls.fetched)]


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Decisions | None, list[Problem]]:
    """Read who decides; None while the provider does not say, or says it wrong.

    Never raises for what stands in the databag. One with anything wrong in it is left out whole.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    address = databag.get(ADDRESS)
    if not address:
        return None, []
    try:
        headers = _json.decode(databag.get("headers", "null"))
    except _json.MalformedError as error:
        return None, [Problem(app, endpoint, "headers", str(error), error.remedy)]
    try:
        return _decisions(address, headers), []
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field="")
        return None, [dataclasses.replace(p, field=_key(p.field)) for p in found]


def _decisions(address: str, headers: Any) -> Decisions:
    url = urls.split(_Address(url=address).url)
    if url.query:
        raise _invalid("a URL with a query", "leave out what follows '?'")
    if url.is_ip:
        raise _invalid("an IP address", "use the full name of a Service")
    # istiod knows Services by their full names only, and denies every request for any other.
    host = f"{url.host}.cluster.local" if url.host.endswith(".svc") else url.host
    return Decisions(
        host=host,
        port=url.port,
        path_prefix=url.path.rstrip("/"),
        headers=() if headers is None else headers,
    )


def _invalid(message: str, remedy: str) -> pydantic.ValidationError:
    refused = _validation.refused(message, remedy)
    return pydantic.ValidationError.from_exception_data(
        "Decisions", [{"type": refused, "loc": (ADDRESS,), "input": None}]
    )


def _key(field: str) -> str:
    """Return the databag's key that a member of our model comes from."""
    field = field.removeprefix(".")
    return field if field.startswith("headers") else ADDRESS


def dump(apps: Iterable[str]) -> dict[str, str]:
    """Return the requirer's application databag for the applications that are asked about."""
    return {APPS: json.dumps(sorted(set(apps)))}
