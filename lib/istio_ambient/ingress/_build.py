# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Facts in, everything that should exist out."""

from istio_ambient import gateways, mesh, resources
from istio_ambient.desired import Desired
from istio_ambient.ingress import (
    _authentication,
    _certificate,
    _cidrs,
    _destination_rules,
    _exposure,
    _gateway,
    _policies,
    _route_objects,
)
from istio_ambient.ingress._facts import Facts

MANAGED = (
    *gateways.KINDS,
    resources.HTTPRoute,
    resources.GRPCRoute,
    resources.DestinationRule,
    resources.AuthorizationPolicy,
    _certificate.Secret,
    resources.RequestAuthentication,
)
"""Kinds of the objects that `desired` returns."""


def desired(facts: Facts) -> Desired:
    """Return the gateway with its scale, its policies, and the routes of those it serves."""
    exposed = _exposure.exposure(facts)
    cidrs, bad_cidrs = _cidrs.parse_cidrs(facts.config.external_traffic_policy_cidrs)
    if bad_cidrs:
        cidrs = facts.cidrs_in_force or ()
    gateway = _gateway.gateway(facts, exposed.listeners, exposed.hosts.listener)
    routes = (*exposed.routes, *exposed.redirects)
    return Desired(
        objects=(
            *gateways.objects(gateway),
            *_certificate.secret(facts),
            _policies.external_traffic_policy(facts.model, facts.app, cidrs),
            *_authentication.authentication_policies(facts, routes),
            *_route_objects.routes(routes, facts),
            *_destination_rules.destination_rules(exposed.routes, facts),
            *_policies.backend_policies(exposed.routes, facts),
            # Our own units are on the mesh where the whole model is.
            *mesh.policies(facts.scrapers, model=facts.model, app=facts.app),
        ),
        held=gateways.held(gateway),
        problems=(
            *exposed.hosts.problems,
            *bad_cidrs,
            *facts.problems,
            *exposed.problems,
            *_authentication.authentication_problems(facts, routes),
        ),
    )
