# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether istiod accepts the routes and listeners: the conditions that it writes on them.

See https://gateway-api.sigs.k8s.io/guides/implementers/#status.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from istio_ambient import kube, resources
from istio_ambient.acceptance import GATEWAY_CONTROLLER
from istio_ambient.ingress import Ingress
from istio_ambient.ingress.model import GatewayRef
from istio_ambient.ingress.objects import KINDS
from istio_ambient.ingress.routing import Route
from istio_ambient.values.problem_codes import Code

_BAD = {"Accepted": "False", "ResolvedRefs": "False", "Conflicted": "True"}
"""Status of the conditions with which a route or listener is not served."""


def acceptance(ingress: Ingress, live: kube.Live) -> Iterator[kube.Readiness]:
    """Yield the listeners and routes that istiod does not accept, with its reasons.

    Objects that istiod has not looked at yet are not among them.

    Args:
        ingress: with the routes that are to be served.
        live: our objects as they are in the cluster.
    """
    ref = ingress.facts.gateway
    manifest = live.manifest(kube.ref_in(resources.Gateway, ref.name, ref.namespace))
    if manifest is not None:
        for listener in kube.items(kube.section(manifest, "status"), "listeners"):
            what = f"listener {listener.get('name')}"
            yield from _refusals(what, kube.current_conditions(listener, manifest))
    for route in dict.fromkeys(ingress.served.objects):
        yield from route_refusals(route, ref, live)


def route_refusals(route: Route, gateway: GatewayRef, live: kube.Live) -> Iterator[kube.Readiness]:
    """Yield why istiod does not accept a route at its listener; nothing where it does."""
    manifest = live.manifest(kube.ref_in(KINDS[route.protocol], route.name, route.namespace))
    if manifest is None:
        return
    parent = (gateway.name, gateway.namespace, route.listener.name)
    for status in kube.items(kube.section(manifest, "status"), "parents"):
        ref = kube.section(status, "parentRef")
        where = ref.get("namespace", route.namespace)
        found = (ref.get("name"), where, ref.get("sectionName"))
        if found == parent and status.get("controllerName") == GATEWAY_CONTROLLER:
            what = f"{route.protocol}Route {route.namespace}/{route.name} of {route.requester}"
            yield from _refusals(what, kube.current_conditions(status, manifest))


def _refusals(what: str, conditions: Iterable[Mapping[str, Any]]) -> Iterator[kube.Readiness]:
    for condition in conditions:
        if _BAD.get(condition.get("type", "")) == condition.get("status"):
            reason = (
                f"istiod does not accept it: {condition.get('message') or condition['reason']}"
            )
            # Of a Service that does not exist yet: an application may still make it.
            late = condition.get("reason") == "BackendNotFound"
            yield kube.Readiness(
                what,
                ready=False,
                reason=reason,
                since=kube.time_of(condition.get("lastTransitionTime")),
                told_late=late,
                code=Code.ROUTE_NOT_ACCEPTED,
            )
