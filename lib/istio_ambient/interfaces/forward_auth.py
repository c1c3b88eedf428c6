# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `forward_auth` interface, requirer side: the service that decides about requests.

The provider's application databag holds `decisions_address` (a plain string, a URL), `app_names`
and `headers` (JSON lists, the latter optional). The requirer's holds `ingress_app_names`: a JSON
list of the applications whose requests need a decision.

`app_names`, the applications that the provider means to protect, is not read: every request needs
a decision, unless its route is explicitly unauthenticated.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames, urls
from istio_ambient.values.headers import HeaderPatterns
from istio_ambient.values.problems import InvalidValueError, Problem

ADDRESS = "decisions_address"
APPS = "ingress_app_names"
"""The only key of the requirer's application databag."""


def _address(text: str) -> urls.Url:
    url = urls.split(urls.fetched(text))
    if url.query:
        raise InvalidValueError("a URL with a query", "leave out what follows '?'")
    if url.is_ip:
        raise InvalidValueError("an IP address", "use the full name of a Service")
    # istiod knows Services by their full names only, and denies every request for any other.
    host = f"{url.host}.cluster.local" if url.host.endswith(".svc") else url.host
    return msgspec.structs.replace(
        url, host=hostnames.service_host(host), path=urls.path_prefix(url.path)
    )


class Decisions(Databag, extra="ignore"):
    """The service that decides: an external authorizer."""

    address: Annotated[pydantic.InstanceOf[urls.Url], pydantic.BeforeValidator(_address)] = (
        pydantic.Field(alias=ADDRESS)
    )
    """Its host is the full name of a Service; its path, which may be empty, is put before the path
    of the request that needs a decision."""
    headers: HeaderPatterns = ()
    """Headers of the decision that the application receives; empty: the provider names none."""


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Decisions | None, list[Problem]]:
    """Read which service decides; None while the provider names none, or any key is invalid.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    if not databag.get(ADDRESS):
        return None, []
    return reader.whole(Decisions, plain=(ADDRESS,)), reader.problems


def dump(apps: Iterable[str]) -> dict[str, str]:
    """Return the requirer's application databag for the applications that need decisions."""
    return {APPS: json.dumps(sorted(set(apps)))}
