# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What may decide about a request and is not known here; each answer says so.

The objects of the snapshot do not have it, or only a proxy could look at it.
"""

from collections.abc import Iterator, Sequence

from istio_ambient.authorization.evaluator._snapshot import Snapshot
from istio_ambient.authorization.evaluator._verdict import Hop, Proxy

_ALWAYS = ("NetworkPolicies", "connections that are open already")
_ROUTES = "routes (HTTPRoute, GRPCRoute) at waypoints"
_EXTENSIONS = "EnvoyFilters and WasmPlugins at its proxies"
_CREDENTIAL = "whether a token of the request is valid"
_ANSWER = "what the external authorizer answers"


def not_weighed(snapshot: Snapshot, hops: Sequence[Hop]) -> tuple[str, ...]:
    """Return what a verdict leaves out, in words for an operator.

    Args:
        snapshot: that the verdict is of.
        hops: of the verdict.
    """
    return tuple(_named(snapshot, hops))


def _named(snapshot: Snapshot, hops: Sequence[Hop]) -> Iterator[str]:
    yield from (f"{kind} (cannot be read)" for kind in snapshot.unread)
    if snapshot.mesh.authorizers is None and any(hop.asks for hop in hops):
        yield "whether the external authorizer is known to the mesh"
    if any(hop.asks for hop in hops):
        yield _ANSWER
    if any(hop.checks_token for hop in hops):
        yield _CREDENTIAL
    if any(hop.proxy is Proxy.WAYPOINT for hop in hops):
        yield _ROUTES
    if any(hop.proxy is not Proxy.ZTUNNEL for hop in hops):
        yield _EXTENSIONS
    yield from _ALWAYS
