#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm of the front door: a gateway that brings outside requests to applications."""

import dataclasses
from collections.abc import Iterable, Iterator

import ops
from istio_ambient import charm, ingress, kube, resources
from istio_ambient.actions import ingress as ingress_actions
from istio_ambient.charm import observability
from istio_ambient.cluster import gateway_workloads, ingress_services
from istio_ambient.ingress.reports import acceptance
from istio_ambient.integrations import (
    gateway_certificate,
    ingress_authentication,
    ingress_requests,
    ingress_upstream,
    requesters,
    scrapers,
)
from istio_ambient.interfaces import forward_auth, gateway_metadata, istio_ingress_config
from istio_ambient.kube import Desired
from istio_ambient.values.problems import Problem
from lightkube.resources.core_v1 import Secret

METADATA = "gateway-metadata"


class IstioIngressCharm(charm.ReconcilingCharm[ingress.Facts]):
    """Provides the `ingress` interface by a Gateway that istiod runs."""

    MANAGED = ingress.MANAGED
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

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.actions = ingress_actions.IngressActions(self)
        self.certificate = gateway_certificate.GatewayCertificate(self, "certificates")

    def gather(self, client: kube.Client, live: kube.Live) -> ingress.Facts:
        """Return the facts; however many applications ask, the cluster is read as often."""
        asked = ingress_requests.read(self._databags())
        scraped = scrapers.read(self)
        cluster = ingress_services.read(
            client, self.model.name, self.app.name, asked, cross_model=scraped.cross_model
        )
        let_in, pending = scraped.requests(cluster.model_namespaces)
        upstream, unread = self._upstream()
        login = self._login()
        tokens, bad_rules = ingress_authentication.tokens(
            self._remotes(ingress_authentication.REQUEST_AUTH)
        )
        problems = (*asked.problems, *scraped.problems, *unread)
        facts = ingress.Facts(
            model=self.model.name,
            app=self.app.name,
            config=self.load_config(ingress.Config),
            replicas=self.replicas,
            pod_labels=self.telemetry_label,
            requests=asked.requests,
            configurations=asked.configurations,
            services=cluster.services,
            model_namespaces=cluster.model_namespaces,
            named_ports=cluster.named_ports,
            scrapers=let_in,
            pending=tuple(pending),
            node_address=cluster.node_address,
            cidrs_in_force=ingress.cidrs_in_force(live),
            upstream=upstream,
            forward_auth=login.auth,
            request_auth=tokens,
            authentication_in_force=ingress.authentication_in_force(live),
            problems=(*problems, *login.problems, *bad_rules),
        )
        secret = live.get(Secret, ingress.secret_name(facts.app), facts.model)
        answer = self.certificate.answer(ingress.hosts_of(facts).names, secret)
        problems = (*facts.problems, *answer.problems)
        return dataclasses.replace(facts, tls=answer.tls, problems=problems)

    def _upstream(self) -> tuple[ingress.Upstream, tuple[Problem, ...]]:
        for relation in self.active_relations(ingress_upstream.ENDPOINT):
            return ingress_upstream.read(self.remote_databag(relation), relation.app.name)
        return ingress.Upstream(), ()

    def _databags(self) -> Iterator[ingress_requests.Databag]:
        for endpoint in ingress_requests.KEYS:
            for relation in self.active_relations(endpoint):
                requester = requesters.requester_of(relation, self.model.uuid)
                databag = self.remote_databag(relation)
                yield ingress_requests.Databag(requester, relation.id, databag)

    def _remotes(self, endpoint: str) -> Iterator[ingress_authentication.Remote]:
        for relation in self.active_relations(endpoint):
            databag = self.remote_databag(relation)
            yield ingress_authentication.Remote(relation.app.name, databag)

    def _login(self) -> ingress_authentication.Login:
        return ingress_authentication.login(
            self.app.name,
            next(self._remotes(ingress_authentication.FORWARD_AUTH), None),
            next(self._remotes(ingress_authentication.INGRESS_CONFIG), None),
        )

    def desired(self, facts: ingress.Facts) -> Desired:
        """Return the gateway, its policies, and the routes of the applications it serves."""
        return ingress.desired(facts)

    def withhold(self, plan: kube.Plan) -> kube.Plan:
        """Make no gateway that would let everybody in."""
        return ingress.withhold(plan, self.model.name, self.app.name)

    def announce(self, facts: ingress.Facts) -> None:
        """Return the ingress in front of this one where the gateway is."""
        for relation in self.active_relations(ingress_upstream.ENDPOINT):
            content = ingress_upstream.request_unit(facts)
            self.write_databag(relation.data[self.unit], content, ingress_upstream.UNIT_KEYS)

    def publish(self, facts: ingress.Facts, live: kube.Live) -> None:
        """Publish the URL of each application whose route exists, and delete all others."""
        self._publish_authorizer()
        answers = ingress_requests.answers(ingress.exposure(facts), live)
        for endpoint, keys in ingress_requests.KEYS.items():
            for relation in self.active_relations(endpoint):
                answer = answers.get(relation.id, {})
                self.write_databag(relation.data[self.app], answer, keys)
        metadata = self._metadata(facts, live)
        for relation in self.active_relations(METADATA):
            self.write_databag(relation.data[self.app], metadata, gateway_metadata.KEYS)
        for relation in self.active_relations(ingress_upstream.ENDPOINT):
            content = ingress_upstream.request(facts)
            self.write_databag(relation.data[self.app], content, ingress_upstream.APP_KEYS)

    def _metadata(self, facts: ingress.Facts, live: kube.Live) -> dict[str, str]:
        if live.get(resources.Gateway, facts.app, facts.model) is None:
            return {}
        return gateway_metadata.dump(
            namespace=facts.model,
            gateway_name=facts.app,
            deployment_name=facts.workload,
            service_account=facts.workload,
        )

    def _publish_authorizer(self) -> None:
        endpoints = (ingress_requests.INGRESS, ingress_requests.INGRESS_UNAUTHENTICATED)
        apps = [each.app.name for name in endpoints for each in self.active_relations(name)]
        for relation in self.active_relations(ingress_authentication.FORWARD_AUTH):
            relation.data[self.app].update(forward_auth.dump(apps))
        authorizer = self._login().authorizer
        for relation in self.active_relations(ingress_authentication.INGRESS_CONFIG):
            databag = relation.data[self.app]
            databag.update(istio_ingress_config.dump_authorizer(authorizer, databag))

    def readiness(
        self, client: kube.Client, facts: ingress.Facts, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return the readiness of the gateway and its address, and which Services are missing."""
        self.findings.waiting.extend(map(str, facts.pending))
        name, what = facts.app, f"gateway {facts.app}"
        yield gateway_workloads.readiness(
            client, live, what=what, name=name, workload=facts.workload
        )
        gateway = live.get(resources.Gateway, name, facts.model)
        if gateway is not None:
            yield ingress.address_readiness(facts, kube.manifest_of(gateway))
        exposed = ingress.exposure(facts)
        yield from exposed.pending
        yield from acceptance.acceptance(exposed, facts, live)

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Watch the gateway through its Service."""
        url = gateway_workloads.status_url(ingress.workload_name(self.app.name), self.model.name)
        return {"gateway": observability.http_check(url)}


if __name__ == "__main__":
    ops.main(IstioIngressCharm)
