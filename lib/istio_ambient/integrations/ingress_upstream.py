# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ingress in front of this one, of which our application is a requirer."""

from collections.abc import Mapping

from istio_ambient import ingress
from istio_ambient.interfaces import ingress as ingress_interface
from istio_ambient.values.problems import Problem

ENDPOINT = "upstream-ingress"
APP_KEYS = ("model", "name", "port", "scheme", "strip-prefix")
UNIT_KEYS = (ingress_interface.HOST_KEY, ingress_interface.IP_KEY)
"""The keys that we write into our databags."""


def read(databag: Mapping[str, str], app: str) -> tuple[ingress.Upstream, tuple[Problem, ...]]:
    """Return the URL under which an application serves us, from its databag."""
    url, problems = ingress_interface.parse_url(databag, app=app, endpoint=ENDPOINT)
    return ingress.Upstream(app, url), tuple(problems)


def request(found: ingress.Ingress) -> dict[str, str]:
    """Return our application's databag: a request for all paths, as the gateway knows them.

    It has our application's name, which is not that of the gateway's Service: an upstream that
    looks up Services looks for the latter, one outside of the cluster uses the units' hosts.
    """
    facts = found.facts
    port = ingress.HTTPS_PORT if facts.tls.wanted else ingress.HTTP_PORT
    return ingress_interface.request(
        model=facts.model,
        name=facts.app,
        port=found.address.node_ports.get(port, port),
        scheme="https" if facts.tls.wanted else "http",
        strip_prefix=True,
    )


def request_unit(found: ingress.Ingress) -> dict[str, str]:
    """Return the databag of each of our units: the gateway's address; empty: it has none yet."""
    host = found.address.host
    return ingress_interface.request_unit(host) if host else {}
