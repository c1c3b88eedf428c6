# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The endpoints that ``juju integrate`` connects."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.juju._charm import Endpoint
from tests.lab.juju._entities import Application


class JujuError(AssertionError):
    """A command that the juju client would refuse, with its reason."""


@dataclass(frozen=True)
class Offer:
    """An endpoint that other models may integrate with."""

    model: str
    app: str
    endpoint: str
    name: str
    """The name of the application in other models."""


def split(name: str) -> tuple[str, str | None]:
    """Split ``application[:endpoint]``."""
    app, _, endpoint = name.partition(":")
    return app, endpoint or None


def match(
    left: Application, left_endpoint: str | None, right: Application, right_endpoint: str | None
) -> tuple[Endpoint, Endpoint]:
    """Return the only pair of endpoints that fits: the same interface, required and provided.

    Raises:
        JujuError: none fits, or more than one.
    """
    pairs = [
        (a, b)
        for a in _candidates(left, left_endpoint)
        for b in _candidates(right, right_endpoint)
        if a.interface == b.interface and {a.role, b.role} == {"provides", "requires"}
    ]
    if len(pairs) == 1:
        return pairs[0]
    names = ", ".join(f"{left.name}:{a.name} {right.name}:{b.name}" for a, b in pairs)
    if pairs:
        raise JujuError(f"ambiguous relation, one of: {names}")
    raise JujuError(
        f"no relation between {left.name}:{left_endpoint or '*'}"
        f" and {right.name}:{right_endpoint or '*'}"
    )


def _candidates(app: Application, endpoint: str | None) -> Iterator[Endpoint]:
    endpoints = app.charm.endpoints
    if endpoint is not None and endpoint not in endpoints:
        raise JujuError(f"application {app.name} has no endpoint {endpoint}")
    return (e for e in endpoints.values() if endpoint in (None, e.name) and e.role != "peers")
