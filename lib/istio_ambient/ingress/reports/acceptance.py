# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether istiod takes what we ask of it: the conditions that it writes on routes and listeners.

See https://gateway-api.sigs.k8s.io/guides/implementers/#status.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from istio_ambient import kube, resources
from istio_ambient.ingress.model import Facts
from istio_ambient.ingress.objects import KINDS
from istio_ambient.ingress.routing import Exposure, Route

_BAD = {"Accepted": "False", "ResolvedRefs": "False", "Conflicted": "True"}
"""Status of the conditions that keep something from being served."""


def acceptance(exposed: Exposure, facts: Facts, live: kube.Live) -> Iterator[kube.Readiness]:
    """Yield what istiod does not take, as something that is waited for.

    What it has not looked at yet is not among that.

    Args:
        exposed: what is to be served.
        facts: of this hook.
        live: our objects as they are.
    """
    gateway = live.get(resources.Gateway, facts.app, facts.model)
    if gateway is not None:
        manifest = kube.manifest_of(gateway)
        for listener in kube.items(kube.section(manifest, "status"), "listeners"):
            what = f"listener {listener.get('name')}"
            yield from _refusals(what, kube.items(listener, "conditions"), manifest)
    for route in dict.fromkeys((*exposed.routes, *exposed.redirects)):
        yield from route_refusals(route, facts, live)


def route_refusals(route: Route, facts: Facts, live: kube.Live) -> Iterator[kube.Readiness]:
    """Yield why istiod does not take a route at its listener; nothing where it does."""
    obj = live.get(KINDS[route.protocol], route.name, route.namespace)
    if obj is None:
        return
    manifest = kube.manifest_of(obj)
    parent = (facts.app, facts.model, route.listener.name)
    for status in kube.items(kube.section(manifest, "status"), "parents"):
        ref = kube.section(status, "parentRef")
        where = ref.get("namespace", route.namespace)
        if (ref.get("name"), where, ref.get("sectionName")) == parent:
            what = f"{route.protocol}Route {route.namespace}/{route.name} of {route.requester}"
            yield from _refusals(what, kube.items(status, "conditions"), manifest)


def _refusals(
    what: str, conditions: Iterable[Mapping[str, Any]], manifest: kube.Manifest
) -> Iterator[kube.Readiness]:
    generation = manifest["metadata"].get("generation", 0)
    for condition in conditions:
        bad = _BAD.get(condition.get("type", "")) == condition.get("status")
        # What was said of an earlier version says nothing of this one.
        if bad and condition.get("observedGeneration", generation) >= generation:
            reason = f"istiod does not take it: {condition.get('message') or condition['reason']}"
            yield kube.Readiness(what, ready=False, reason=reason, since=_since(condition))


def _since(condition: Mapping[str, Any]) -> datetime.datetime | None:
    time = condition.get("lastTransitionTime")
    return datetime.datetime.fromisoformat(time) if time else None
