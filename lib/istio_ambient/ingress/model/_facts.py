# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The facts of one hook that the gateway, its routes and its policies are built from."""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from istio_ambient import authorization, kube, resources
from istio_ambient.ingress.model._attached import AttachedRoute
from istio_ambient.ingress.model._authentication import ForwardAuth, KeySource, SigningKeys, Trust
from istio_ambient.ingress.model._cluster import Cluster
from istio_ambient.ingress.model._config import Config
from istio_ambient.ingress.model._gateway import GatewayRef
from istio_ambient.ingress.model._host_options import NO_HOST_OPTIONS, HostOptions
from istio_ambient.ingress.model._places import Place
from istio_ambient.ingress.model._requests import IngressRequest
from istio_ambient.values.problems import Problem


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The certificate and key of the gateway's HTTPS listeners."""

    chain: str
    """PEM: the gateway's certificate, then those of the certificate authorities."""
    key: str = dataclasses.field(repr=False)
    """PEM."""


class Tls(msgspec.Struct, frozen=True):
    """Whether the gateway serves HTTPS, and with which certificate."""

    wanted: bool = False
    """The certificates endpoint is related."""
    certificate: Certificate | None = None
    """None while none has been issued."""
    awaited: str = ""
    """Why the wanted certificate is missing, or not yet the right one; empty: it is in use."""

    @property
    def pending(self) -> bool:
        """Whether there is no certificate yet; the gateway serves nothing meanwhile."""
        return self.wanted and self.certificate is None


class Upstream(msgspec.Struct, frozen=True):
    """An ingress in front of this one."""

    app: str = ""
    """Its application; empty: none is related."""
    url: str = ""
    """The URL under which it serves us, as `interfaces.ingress.parse_url` returns it; empty until
    the application publishes one."""


class Facts(msgspec.Struct, frozen=True):
    """Everything that the desired objects follow from."""

    model: str
    app: str
    config: Config = msgspec.field(default_factory=Config)
    replicas: int = 1
    pod_labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Labels that the gateway's pods get."""
    requests: Sequence[IngressRequest] = ()
    """Of the four endpoints over which applications ask for routes."""
    tls: Tls = msgspec.field(default_factory=Tls)
    upstream: Upstream = msgspec.field(default_factory=Upstream)
    forward_auth: ForwardAuth = msgspec.field(default_factory=ForwardAuth)
    request_auth: tuple[Trust, ...] = ()
    """The tokens of every application that is related over istio-request-auth, without valid rules
    too; empty: requests to authenticated routes require no token."""
    keys: Mapping[KeySource, SigningKeys] = msgspec.field(
        default_factory=dict[KeySource, SigningKeys]
    )
    """Of each source that was tried: those in force, and at the end of a hook those just fetched.
    """
    left_to_istiod: frozenset[tuple[str, KeySource]] = frozenset()
    """Of rules in the cluster whose keys istiod fetches: the name of their object, and the source.
    """
    authentication_in_force: frozenset[str] = frozenset()
    """Names of the policies for forward_auth and request_auth that are in the cluster."""
    unguarded: frozenset[str] = frozenset()
    """Policies at the gateway that could not be put in place; nothing is served then."""
    cluster: Cluster = msgspec.field(default_factory=Cluster)
    trust_domains: tuple[str, ...] = authorization.DEFAULT_TRUST_DOMAINS
    """That of the mesh, and its aliases: policies name identities in each of them."""
    live_routes: tuple[AttachedRoute, ...] = ()
    """Our own routes that are in the cluster."""
    backend_policies: Mapping[kube.Ref, Mapping[str, str]] = msgspec.field(
        default_factory=dict[kube.Ref, Mapping[str, str]]
    )
    """Our policies for backends that are in the cluster."""
    remembered: frozenset[Place] = frozenset()
    """Where requesters were served when routes were served last."""
    hostnames_in_use: HostOptions = NO_HOST_OPTIONS
    """Of our Gateway in the cluster; an option that cannot be read leaves them as they are."""
    scrapers: Sequence[authorization.AccessRequest] = ()
    """Access requests on behalf of the applications that scrape our own units."""
    cidrs_in_force: tuple[str, ...] | None = None
    """Networks that our external-traffic policy in the cluster allows; None: there is none."""
    pending: tuple[Problem, ...] = ()
    """One for each scraper that cannot be granted access yet."""
    problems: tuple[Problem, ...] = ()
    """Problems of databags and options."""

    @property
    def needs_authentication(self) -> bool:
        """Whether authenticated routes require a login or a token."""
        return self.forward_auth.wanted or bool(self.request_auth)

    @property
    def guards_in_force(self) -> tuple[kube.Ref, ...]:
        """The policies of `authentication_in_force`.

        A policy that is no longer desired is deleted after what it guards.
        """
        return tuple(
            kube.ref_in(resources.AuthorizationPolicy, name, self.model)
            for name in sorted(self.authentication_in_force)
        )

    @property
    def gateway(self) -> GatewayRef:
        """The Gateway that the facts are about."""
        return GatewayRef(self.model, self.app)
