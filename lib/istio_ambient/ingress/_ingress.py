# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The pipeline of the ingress: from the facts of a hook to its desired objects.

hosts → listeners → backends → routes → what is served → authentication → objects
"""

import functools
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.ingress import authentication, objects, routing
from istio_ambient.ingress.model import AttachedRoute, Facts
from istio_ambient.kube import Desired
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

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
APART = frozenset[kube.ResourceType]({*gateways.APART, resources.DestinationRule})
"""Those on whose live objects nothing depends."""


class Ingress(msgspec.Struct, frozen=True, dict=True):
    """Everything that follows from the facts of one hook, computed once."""

    facts: Facts
    address: routing.Address
    hosts: routing.Hosts
    listeners: routing.Listeners
    served: routing.Served
    authentication: authentication.Authentication
    authorizer: routing.BackendService | None
    """The Service that the gateway sends check requests to."""

    @property
    def route_namespaces(self) -> frozenset[str]:
        """Namespaces whose routes the gateway takes."""
        return _route_namespaces(self.facts, self.served)

    @property
    def foreign_routes(self) -> tuple[AttachedRoute, ...]:
        """Routes of other owners that the gateway takes, or has taken until now."""
        return _counting(self.facts.cluster.foreign_routes, self.facts, self.served)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Requests that are refused or in conflict."""
        return (*self.listeners.problems, *self.served.problems)

    @property
    def backends(self) -> Iterator[routing.BackendService]:
        """What the gateway sends requests to: of routes, and check requests."""
        routes = (*self.served.routes, *self.served.withheld)
        yield from (backend for route in routes for backend in route.backends)
        if self.authorizer is not None:
            yield self.authorizer

    @property
    def missing_backends(self) -> Iterator[routing.MissingBackend]:
        """What routes wait for."""
        for route in (*self.served.routes, *self.served.withheld):
            yield from route.missing

    @functools.cached_property
    def uncovered_hosts(self) -> frozenset[str]:
        """Hostnames of routes at HTTPS listeners that the certificate in use is not for.

        Routes without hostnames are for the gateway's own, which the certificate is requested for;
        where the listeners take a wildcard that includes none of these, they are for the wildcard.
        """
        certificate = self.facts.tls.certificate
        if certificate is None:
            return frozenset()
        from istio_ambient.ingress.objects import listener_certificate

        hosts = {host for route in self.served.routes for host in self._hosts_of(route)}
        return listener_certificate.uncovered_by(certificate, sorted(hosts))

    def _hosts_of(self, route: routing.Route) -> Iterator[str]:
        for host in route.answers_to if route.listener.protocol == "HTTPS" else ():
            is_own = not route.hostnames and any(
                routing.covers(host, name) for name in self.hosts.known_by
            )
            if host != "*" and not is_own:
                yield host

    @property
    def certificate_problems(self) -> Iterator[Problem]:
        """Routes whose clients get a certificate for another name.

        None of them is requested: where the authority refuses one name, it refuses them all.
        """
        for route in () if self.facts.tls.awaited else dict.fromkeys(self.served.routes):
            missing = [host for host in self._hosts_of(route) if host in self.uncovered_hosts]
            if missing:
                yield route.requester.problem(
                    Code.NOT_IN_CERTIFICATE,
                    f"{route.field}.hostnames" if route.field else "",
                    f"the certificate is not for {', '.join(missing)}",
                    "use a hostname that it is for, or set listener-hostname to one",
                )

    @property
    def authentication_problems(self) -> list[Problem]:
        """Unauthenticated routes that need authentication all the same."""
        return self.authentication.problems() if self.facts.needs_authentication else []

    def url(self, route: routing.Route) -> str:
        """Return the URL under which a route is published; empty while no host is known."""
        return f"{self.hosts.url}{route.path}" if self.hosts.url else ""

    def base_url(self, listener: routing.Listener) -> str:
        """Return the beginning of URLs at a listener; empty: not known yet.

        For the default listener it is published, with the host of an ingress in front. The others
        are reached at the gateway itself.
        """
        if listener == self.listeners.default:
            return self.hosts.url
        return self.hosts.direct_url(listener.scheme, listener.port)


def resolve(facts: Facts) -> Ingress:
    """Return everything that follows from the facts: each stage from the stages before it."""
    address = routing.address_of(facts.gateway, facts.cluster)
    hosts = routing.hosts(
        facts.config,
        address,
        facts.hostnames_in_use,
        tls=facts.tls.wanted,
        upstream_url=facts.upstream.url,
    )
    ownership = authorization.Ownership(
        namespace=facts.model,
        model_namespaces=facts.cluster.model_namespaces,
        deployed=authorization.made_by_juju(facts.cluster.services),
        trusted=facts.config.trusted_requesters,
    )
    backends = routing.Backends(facts.cluster, ownership)
    requests = [
        (request, backends.model_refusal(request))
        for request in sorted(facts.requests, key=lambda request: request.order)
    ]
    own = [request for request, refusal in requests if refusal is None]
    homes = {str(request.requester): backends.namespace_of(request) for request in own}
    live = routing.own_routes(facts.live_routes, homes, facts.model)
    held = routing.held(live, facts.remembered)
    listeners = routing.listeners(own, facts.tls, hosts.listener, held.ports)
    served = routing.served(
        requests,
        hosts,
        listeners,
        backends,
        app=facts.app,
        held=held,
        tls=facts.tls,
        forward_auth=facts.forward_auth,
        upstream=facts.upstream,
        unguarded=facts.unguarded,
    )
    in_force = authentication.InForce()
    if facts.needs_authentication:
        others = (*(each for each in live if not each.requested_by), *facts.cluster.foreign_routes)
        attached = (
            *(route for route in live if route.requested_by),
            *_counting(others, facts, served),
        )
        in_force = authentication.in_force(served.objects, attached, listeners)
    return Ingress(
        facts=facts,
        address=address,
        hosts=hosts,
        listeners=listeners,
        served=served,
        authentication=authentication.authentication(served.objects, in_force),
        authorizer=backends.authorizer(facts.forward_auth.service),
    )


def _route_namespaces(facts: Facts, served: routing.Served) -> frozenset[str]:
    granted = (route.namespace for route in served.objects)
    return frozenset({facts.model, *granted, *facts.config.route_namespaces})


def _counting(
    routes: Iterable[AttachedRoute], facts: Facts, served: routing.Served
) -> tuple[AttachedRoute, ...]:
    """Return those routes of others that count: one that istiod refuses closes no path."""
    namespaces = _route_namespaces(facts, served)
    return tuple(r for r in routes if r.accepted or r.namespace in namespaces)


def desired(ingress: Ingress) -> Desired:
    """Return the gateway with its scale, its policies, and the routes that are served."""
    facts, gateway, served = ingress.facts, ingress.facts.gateway, ingress.served
    cidrs, invalid_cidrs = objects.parse_cidrs(facts.config.external_traffic_policy_cidrs)
    if invalid_cidrs:
        cidrs = facts.cidrs_in_force or ()
    made = objects.gateway(
        facts,
        ingress.listeners,
        ingress.route_namespaces,
        served.places,
        ingress.hosts.options,
    )
    policies = (
        objects.external_traffic_policy(facts.model, facts.app, cidrs),
        *authentication.authentication_policies(
            ingress.authentication,
            gateway,
            facts.forward_auth,
            facts.request_auth,
            keys=facts.keys,
            in_force=facts.authentication_in_force,
            left=facts.left_to_istiod,
        ),
    )
    let_in = (
        *objects.backend_policies(
            ingress.backends, gateway, facts.backend_policies, ingress.missing_backends
        ),
        # Our own units are on the mesh where the whole model is.
        *authorization.policies(facts.scrapers, model=facts.model, app=facts.app),
    )
    return Desired(
        objects=(
            *gateways.objects(made),
            *objects.secret(facts.tls, gateway),
            *policies,
            *objects.routes(served.objects, gateway),
            *objects.destination_rules((*served.routes, *served.withheld), gateway),
            *authorization.in_trust_domains(let_in, facts.trust_domains),
        ),
        held=gateways.held(made),
        guards=frozenset((*_guards(policies), *facts.guards_in_force)),
        excepted=frozenset(_excepted(ingress)),
        problems=(
            *ingress.hosts.problems,
            *invalid_cidrs,
            *facts.config.problems,
            *facts.problems,
            *ingress.problems,
            *ingress.certificate_problems,
            *ingress.authentication_problems,
            *authentication.key_problems(facts.request_auth, facts.keys),
        ),
        message=_message(ingress, cidrs),
    )


def _guards(policies: Iterable[kube.Resource]) -> Iterator[kube.Ref]:
    """Yield the policies without which the gateway would serve what it must not."""
    for policy in policies:
        if isinstance(policy, resources.AuthorizationPolicy):
            yield kube.ref_of(policy)


def _excepted(ingress: Ingress) -> Iterator[kube.Ref]:
    """Yield our live unauthenticated routes, whose paths need no authentication."""
    for route in ingress.facts.live_routes:
        if not route.authenticated:
            yield kube.ref_in(objects.KINDS[route.protocol], route.name, route.namespace)


def _message(ingress: Ingress, cidrs: Sequence[str]) -> str:
    """Return the text of an active status: whether clients are allowed, the URL, other routes."""
    return "; ".join(
        filter(
            None,
            (
                "" if cidrs else f"no client is allowed: {objects.CIDRS} is empty",
                f"serves {ingress.hosts.url}" if ingress.hosts.url else "",
                _other_routes(ingress.foreign_routes),
            ),
        )
    )


def _other_routes(routes: Sequence[AttachedRoute]) -> str:
    """Return the text about routes of other owners; empty where there are none."""
    names = sorted({str(route) for route in routes})
    if not names:
        return ""
    count = f"{len(names)} routes" if len(names) > 1 else "1 route"
    return f"{count} of another owner, see list-routes: {names[0]}"
