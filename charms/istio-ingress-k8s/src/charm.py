#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm of the ingress gateway, which sends requests from outside to applications."""

# First, for the sake of the other imports: it sets how often Python looks for garbage.
import istio_ambient  # noqa: F401  # pyright: ignore[reportUnusedImport]

# isort: split
from collections.abc import Iterable, Iterator

import msgspec
import ops
from istio_ambient import acceptance, charm, ingress, kube, resources
from istio_ambient.authorization import order
from istio_ambient.charm import observability, status
from istio_ambient.cluster import acceptance as cluster_acceptance
from istio_ambient.cluster import (
    gateway_workloads,
    ingress_services,
    istiod,
    signing_keys,
    trust_domains,
)
from istio_ambient.ingress.reports import acceptance as route_acceptance
from istio_ambient.ingress.reports import backends
from istio_ambient.integrations import (
    certificate_endpoint,
    ingress_authentication,
    ingress_requests,
    ingress_upstream,
    requesters,
    scrapers,
)
from istio_ambient.interfaces import forward_auth, istio_ingress_config, metadata
from istio_ambient.kube import Desired
from istio_ambient.values import images
from istio_ambient.values.problems import Problem
from lightkube.resources.core_v1 import Secret

METADATA = "gateway-metadata"


class IstioIngressCharm(charm.ReconcilingCharm[ingress.Facts]):
    """Provides the `ingress` interface with a Gateway that istiod runs."""

    MANAGED = ingress.MANAGED
    APART = ingress.APART
    ACCESS = order.ACCESS
    ADOPTED_SCOPES = frozenset(
        {
            "istio-gateway",
            "istio-ingress",
            "istio-ingress-authorization-policy",
            "external-traffic-authorization-policy",
            "grpc-destination-rule",
            "external-authorizer-authorization-policy",
            "request-authentication",
            "deny-without-jwt-authorization-policy",
        }
    )

    _istiod: istiod.Istiod | istiod.NoIstiodError
    """As this hook found it, before anything else."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._ingress: ingress.Ingress | None = None
        self.certificate = certificate_endpoint.CertificateEndpoint(
            self, self.relations, "certificates"
        )

    def gather(self, client: kube.Client, live: kube.Live) -> ingress.Facts:
        """Return the facts; the number of reads does not depend on the number of requests."""
        gateway = ingress.GatewayRef(self.model.name, self.app.name)
        requests, invalid = ingress_requests.read(
            databag for endpoint in ingress_requests.KEYS for databag in self._databags(endpoint)
        )
        scraped = scrapers.read(self)
        login = self._login()
        config = self.load_config(ingress.Config)
        self._istiod, cluster = kube.read_together(
            lambda: istiod.look(client),
            lambda: ingress_services.read(
                client,
                gateway,
                requests,
                live,
                authorizer=login.auth.service,
                route_namespaces=config.route_namespaces,
                cross_model=scraped.cross_model,
            ),
        )
        let_in, pending = scraped.requests(cluster.model_namespaces)
        upstream, unread = self._upstream()
        tokens, bad_rules = ingress_authentication.tokens(
            self._databags(ingress_authentication.REQUEST_AUTH, forgotten=True),
            login,
            ingress.uses_in_force(live),
            app=self.app.name,
        )
        facts = ingress.Facts(
            model=self.model.name,
            app=self.app.name,
            config=config,
            replicas=self.replicas,
            pod_labels=self.telemetry_label,
            requests=requests,
            cluster=cluster,
            trust_domains=trust_domains.of(self._istiod, live),
            live_routes=ingress_services.live_routes(live, gateway),
            backend_policies=ingress.backend_policies_of(live),
            remembered=ingress.remembered(live, gateway),
            hostnames_in_use=ingress.hostnames_in_use(live, gateway),
            scrapers=let_in,
            pending=tuple(pending),
            cidrs_in_force=ingress.cidrs_in_force(live),
            upstream=upstream,
            forward_auth=login.auth,
            request_auth=tokens,
            keys=ingress.keys_in_force(live),
            left_to_istiod=ingress.left_to_istiod(live),
            authentication_in_force=ingress.authentication_in_force(live),
            problems=(*invalid, *scraped.problems, *unread, *login.problems, *bad_rules),
        )
        secret = live.get(Secret, ingress.secret_name(facts.app), facts.model)
        address = ingress.address_of(gateway, cluster)
        names = ingress.hosts(facts.config, address, facts.hostnames_in_use).names
        answer = self.certificate.answer(names, secret)
        problems = (*facts.problems, *answer.problems)
        return msgspec.structs.replace(facts, tls=answer.tls, problems=problems)

    def _upstream(self) -> tuple[ingress.Upstream, tuple[Problem, ...]]:
        for relation in self.relations.of(ingress_upstream.ENDPOINT):
            databag = self.relations.databag(relation) or {}
            return ingress_upstream.read(databag, relation.app.name)
        return ingress.Upstream(), ()

    def _databags(
        self, endpoint: str, *, forgotten: bool = False
    ) -> Iterator[requesters.RequesterDatabag]:
        for relation in self.relations.of(endpoint, forgotten=forgotten):
            yield requesters.databag_of(self.relations, relation)

    def _login(self) -> ingress_authentication.Login:
        return ingress_authentication.login(
            self.app.name,
            # Juju's fault does not lift the requirement of a login.
            next(self._databags(ingress_authentication.FORWARD_AUTH, forgotten=True), None),
            next(self._databags(ingress_authentication.INGRESS_CONFIG), None),
        )

    def desired(self, facts: ingress.Facts) -> Desired:
        """Return the gateway, its policies, and the routes of the applications it serves."""
        return ingress.desired(self._resolved(facts))

    def _resolved(self, facts: ingress.Facts) -> ingress.Ingress:
        """Return what follows from the facts of a hook, which is computed once."""
        if self._ingress is None or self._ingress.facts is not facts:
            self._ingress = ingress.resolve(facts)
        return self._ingress

    def late_facts(self, client: kube.Client, facts: ingress.Facts) -> ingress.Facts | None:
        """Return the facts with the keys of token issuers, where it is time to fetch them."""
        found = self.findings
        waiting = (*found.refused, *found.deferred, *found.held)
        due = ingress.keys_due(
            facts.gateway,
            facts.request_auth,
            facts.keys,
            renew=self.renews,
            unwritten={*found.failed, *(change.ref for change in waiting)},
        )
        if not due:
            return None
        fetched = signing_keys.fetch(due, signing_keys.read_cluster(client, self._istiod))
        return msgspec.structs.replace(facts, keys=ingress.renewed(facts.keys, fetched))

    def in_force(
        self,
        client: kube.Client,
        facts: ingress.Facts,
        live: kube.Live,
        unguarded: frozenset[str],
    ) -> ingress.Facts:
        """Return the facts with the routes that istiod accepts now: their paths may be open."""
        return ingress_services.in_force(client, self._resolved(facts), live, unguarded)

    def announce(self, facts: ingress.Facts) -> None:
        """Publish the gateway's address to the ingress in front of this one."""
        for relation in self.relations.of(ingress_upstream.ENDPOINT):
            content = ingress_upstream.request_unit(self._resolved(facts))
            self.relations.write(relation, self.unit, content, ingress_upstream.UNIT_KEYS)

    def publish(self, facts: ingress.Facts, live: kube.Live) -> None:
        """Publish the URL of each application whose route exists, and delete all others."""
        self._publish_authorizer()
        answers = ingress_requests.answers(self._resolved(facts), live)
        for endpoint, keys in ingress_requests.KEYS.items():
            for relation in self.relations.of(endpoint):
                answer = answers.get(relation.id, {})
                self.relations.write(relation, self.app, answer, keys)
        self.relations.write_all(METADATA, self._metadata(facts, live), metadata.GATEWAY_KEYS)
        content = ingress_upstream.request(self._resolved(facts))
        self.relations.write_all(ingress_upstream.ENDPOINT, content, ingress_upstream.APP_KEYS)

    def _metadata(self, facts: ingress.Facts, live: kube.Live) -> dict[str, str]:
        gateway = facts.gateway
        if live.get(resources.Gateway, gateway.name, gateway.namespace) is None:
            return {}
        return metadata.dump_gateway(
            namespace=gateway.namespace,
            gateway_name=gateway.name,
            deployment_name=gateway.workload,
            service_account=gateway.workload,
        )

    def _publish_authorizer(self) -> None:
        endpoints = (ingress_requests.INGRESS, ingress_requests.INGRESS_UNAUTHENTICATED)
        apps = [each.app.name for name in endpoints for each in self.relations.of(name)]
        self.relations.write_all(ingress_authentication.FORWARD_AUTH, forward_auth.dump(apps))
        authorizer = self._login().authorizer
        for relation in self.relations.of(ingress_authentication.INGRESS_CONFIG):
            current = self.relations.own(relation, self.app)
            content = istio_ingress_config.dump_authorizer(authorizer, current)
            self.relations.write(relation, self.app, content)

    def readiness(
        self, client: kube.Client, facts: ingress.Facts, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return the readiness of the gateway and its address, and what requests wait for."""
        yield from status.pending(facts.pending)
        ref, found = facts.gateway, self._resolved(facts)
        yield gateway_workloads.readiness(
            client, live, what=f"gateway {ref.name}", name=ref.name, workload=ref.workload
        )
        gateway = live.get(resources.Gateway, ref.name, ref.namespace)
        if gateway is not None:
            manifest = kube.manifest_of(gateway)
            yield ingress.address_readiness(ref, facts.cluster, facts.config.gateway, manifest)
        yield from found.served.pending
        yield from ingress.key_readiness(facts.request_auth, facts.keys)
        yield from route_acceptance.acceptance(found, live)
        yield from backends.missing_backends(found, live)

    def acceptance(
        self, client: kube.Client, facts: ingress.Facts, live: kube.Live, *, wrote: bool
    ) -> Iterable[kube.Readiness | Problem]:
        """Return what istiod and the gateway do not take of gateway, routes and policies."""
        ref = facts.gateway
        if live.get(resources.Gateway, ref.name, ref.namespace) is None:
            return ()
        replicas = facts.replicas if self.is_ready(f"gateway {ref.name}") else 0
        workload = acceptance.Workload("gateway", ref.workload, ref.namespace, replicas)
        contents = (
            *((route.requester.app, route) for route in self._resolved(facts).served.routes),
            *((trust.app, trust.rules) for trust in facts.request_auth),
        )
        return cluster_acceptance.of_gateway(
            client, live, self._istiod, workload, contents, wrote=wrote
        )

    def version(self, facts: ingress.Facts) -> str:
        """Return the version of the gateway's proxy."""
        return images.version_of(self.image_of(f"gateway {facts.gateway.name}"))

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Watch the gateway through its Service."""
        url = gateway_workloads.status_url(ingress.workload_name(self.app.name), self.model.name)
        return {"gateway": observability.http_check(url)}

    def answer(self, event: ops.ActionEvent) -> None:
        """Answer an action about routes."""
        from istio_ambient.actions import ingress as actions

        actions.IngressActions(self).answer(event)

    def watched(self, facts: ingress.Facts) -> list[tuple[str, int]]:
        """Return the backends that are missing: their applications' hooks are not ours."""
        return backends.watched(self._resolved(facts))


if __name__ == "__main__":
    charm.main(IstioIngressCharm)
