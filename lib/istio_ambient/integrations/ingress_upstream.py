# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ingress in front of this one: we are one of its applications."""

from collections.abc import Mapping

from istio_ambient import ingress
from istio_ambient.interfaces import ingress as ingress_relation
from istio_ambient.values.problems import Problem

ENDPOINT = "upstream-ingress"
APP_KEYS = ("model", "name", "port", "scheme", "strip-prefix")
UNIT_KEYS = (ingress_relation.HOST_KEY, ingress_relation.IP_KEY)
"""All that we write into our databags."""


def read(databag: Mapping[str, str], app: str) -> tuple[ingress.Upstream, tuple[Problem, ...]]:
    """Read what the application of that name says of where clients reach us."""
    url, problems = ingress_relation.parse_url(databag, app=app, endpoint=ENDPOINT)
    return ingress.Upstream(app, url), tuple(problems)


def request(facts: ingress.Facts) -> dict[str, str]:
    """Return what our application asks for: everything, under the paths that we know.

    The name is our application's, which is not that of the gateway's Service: an upstream that
    goes by Services looks for the latter, one outside of the cluster uses the units' hosts.
    """
    port = 443 if facts.tls.wanted else 80
    return ingress_relation.request(
        model=facts.model,
        name=facts.app,
        port=ingress.address_of(facts).node_ports.get(port, port),
        scheme="https" if facts.tls.wanted else "http",
        strip_prefix=True,
    )


def request_unit(facts: ingress.Facts) -> dict[str, str]:
    """Return what each of our units says: where the gateway is; empty: it has no address yet."""
    host = ingress.address_of(facts).host
    return ingress_relation.request_unit(host) if host else {}
