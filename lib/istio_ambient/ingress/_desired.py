# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Facts in, everything that should exist out."""

from istio_ambient import authorization, gateways, resources
from istio_ambient.ingress import authentication, objects, routing
from istio_ambient.ingress.model import Facts
from istio_ambient.kube import Desired

MANAGED = (
    *gateways.KINDS,
    resources.HTTPRoute,
    resources.GRPCRoute,
    resources.DestinationRule,
    resources.AuthorizationPolicy,
    objects.Secret,
    resources.RequestAuthentication,
)
"""Kinds of the objects that `desired` returns."""


def desired(facts: Facts) -> Desired:
    """Return the gateway with its scale, its policies, and the routes of those it serves."""
    exposed = routing.exposure(facts)
    cidrs, bad_cidrs = objects.parse_cidrs(facts.config.external_traffic_policy_cidrs)
    if bad_cidrs:
        cidrs = facts.cidrs_in_force or ()
    gateway = objects.gateway(facts, exposed.listeners, exposed.hosts.listener)
    routes = (*exposed.routes, *exposed.redirects)
    return Desired(
        objects=(
            *gateways.objects(gateway),
            *objects.secret(facts),
            objects.external_traffic_policy(facts.model, facts.app, cidrs),
            *authentication.authentication_policies(facts, routes),
            *objects.routes(routes, facts),
            *objects.destination_rules(exposed.routes, facts),
            *objects.backend_policies(exposed.routes, facts),
            # Our own units are on the mesh where the whole model is.
            *authorization.policies(facts.scrapers, model=facts.model, app=facts.app),
        ),
        held=gateways.held(gateway),
        problems=(
            *exposed.hosts.problems,
            *bad_cidrs,
            *facts.config.problems,
            *facts.problems,
            *exposed.problems,
            *authentication.authentication_problems(facts, routes),
        ),
    )
