#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm that puts a model's applications on the mesh and authorizes requests to them."""

# First, for the sake of the other imports: it sets how often Python looks for garbage.
import istio_ambient  # noqa: F401  # pyright: ignore[reportUnusedImport]

# isort: split
from collections.abc import Iterable

import msgspec
import ops
from istio_ambient import acceptance, authorization, beacon, charm, gateways, kube, resources
from istio_ambient.authorization import order
from istio_ambient.charm import observability, status
from istio_ambient.cluster import acceptance as cluster_acceptance
from istio_ambient.cluster import (
    exposures,
    gateway_workloads,
    istiod,
    mesh_services,
    trust_domains,
)
from istio_ambient.integrations import access_requests, requesters, scrapers
from istio_ambient.interfaces import service_mesh
from istio_ambient.kube import Desired
from istio_ambient.values import images
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from lightkube.resources.core_v1 import ConfigMap, Namespace

MESH = "service-mesh"


class IstioBeaconCharm(charm.ReconcilingCharm[beacon.Facts]):
    """Provides the `service_mesh` interface: a waypoint, labels to join, and authorization."""

    MANAGED = (*gateways.KINDS, resources.AuthorizationPolicy)
    APART = gateways.APART
    SEPARABLE = frozenset({resources.Gateway})
    ACCESS = order.ACCESS
    ADOPTED_SCOPES = frozenset(
        {
            "istio-waypoint",
            "istio-authorization-policy",
            "modeloperator-authorization-policy",
        }
    )

    _istiod: istiod.Istiod | istiod.NoIstiodError
    """As this hook found it, before anything else."""

    def gather(self, client: kube.Client, live: kube.Live) -> beacon.Facts:
        """Return the facts; as many reads for one requester as for many."""
        consumers = [
            (requesters.requester_of(self.relations, relation), self.relations.databag(relation))
            for relation in self.relations.of(MESH)
        ]
        scraped = scrapers.read(self)
        cross_model = scraped.cross_model or any(
            requester.model_uuid for requester, _ in consumers
        )
        cluster, self._istiod = kube.read_together(
            lambda: mesh_services.read(client, self.model.name, cross_model=cross_model),
            lambda: istiod.look(client),
        )
        config = self.load_config(beacon.Config)
        labels = cluster.namespace_labels.get(self.model.name, {})
        ingress = beacon.IngressFacts()
        if config.ingress_use_waypoint or gateways.passes_waypoint({}, labels):
            ingress = exposures.read(client, self.model.name, live, self._istiod)
        policies = live.manifests(resources.AuthorizationPolicy)
        earlier = authorization.requesters_of(policies)
        requests, problems = access_requests.of_applications(
            consumers, cluster, self.model.name, earlier
        )
        own, pending = scraped.requests(cluster.model_namespaces)
        facts = beacon.Facts(
            model=self.model.name,
            app=self.app.name,
            replicas=self.replicas,
            pod_labels=self.telemetry_label,
            cluster=cluster,
            requests=tuple(requests),
            own_requests=tuple(own),
            established_extra=beacon.established(earlier),
            requesters=frozenset(requester for requester, _ in consumers),
            config=config,
            ingress=ingress,
            trust_domains=trust_domains.of(self._istiod, live),
            problems=(*problems, *scraped.problems),
            pending=tuple(pending),
        )
        # As they are, they keep what was computed of them.
        if facts.admits(policies):
            return facts
        return msgspec.structs.replace(facts, admitted=False)

    def desired(self, facts: beacon.Facts) -> Desired:
        """Return waypoint, labels and policies."""
        return beacon.desired(facts)

    def publish(self, facts: beacon.Facts, live: kube.Live) -> None:
        """Publish the labels with which applications join the mesh, once the waypoint exists."""
        if live.get(resources.Gateway, facts.waypoint, facts.model) is not None:
            # Applications keep labels of their own until the namespace has them.
            unlabelled = Namespace in self.unlabelled
            labels = facts.member_labels if unlabelled else facts.published_labels
            self.relations.write_all(MESH, service_mesh.dump(labels))

    def readiness(
        self, client: kube.Client, facts: beacon.Facts, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return the readiness of the waypoint; pending requests are reported as waiting."""
        yield from status.pending(facts.outcomes.pending)
        if facts.awaits_admission:
            yield kube.Readiness(
                "config ingress-use-waypoint",
                ready=False,
                reason="the next hook sets the label; policies for gateways come first",
                code=Code.GATEWAYS_NOT_ADMITTED,
            )
        name = facts.waypoint
        yield gateway_workloads.readiness(
            client,
            live,
            what=f"waypoint {name}",
            name=name,
            workload=name,
            # A waypoint without an address is none: requests pass it.
            required=("Accepted", "Programmed"),
        )

    def acceptance(
        self, client: kube.Client, facts: beacon.Facts, live: kube.Live, *, wrote: bool
    ) -> Iterable[kube.Readiness | Problem]:
        """Return what istiod and the waypoint do not take of waypoint and policies."""
        if live.get(resources.Gateway, facts.waypoint, facts.model) is None:
            return ()
        replicas = facts.replicas if self.is_ready(f"waypoint {facts.waypoint}") else 0
        workload = acceptance.Workload("waypoint", facts.waypoint, facts.model, replicas)
        contents = (
            (each.requester.app, (each.target, each.operations)) for each in facts.requests
        )
        return cluster_acceptance.of_gateway(
            client, live, self._istiod, workload, contents, wrote=wrote
        )

    def version(self, facts: beacon.Facts) -> str:
        """Return the version of the waypoint's proxy."""
        return images.version_of(self.image_of(f"waypoint {facts.waypoint}"))

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Return the Pebble check of the waypoint, through its Service."""
        name = gateways.waypoint_name(self.model.name, self.app.name)
        url = gateway_workloads.status_url(name, self.model.name)
        return {"waypoint": observability.http_check(url)}

    def watched(self, facts: beacon.Facts) -> list[tuple[str, int]]:
        """Return the Services that requests wait for."""
        return facts.watched if facts.config.manage_authorization_policies else []

    def tolerates(self, change: kube.Change) -> bool:
        """Return whether a refused change is one of the labels ConfigMap of the public charm."""
        return change.ref.name == gateways.labels_config_map_name(self.app.name)

    def answer(self, event: ops.ActionEvent) -> None:
        """Answer an action about access."""
        from istio_ambient.actions import beacon as actions

        actions.MeshActions(self, MESH).answer(event)

    def cleanup(self, client: kube.Client) -> Iterable[kube.RequestError]:
        """Remove our labels from the namespace; Juju deletes our StatefulSet and Service."""
        model, app = self.model.name, self.app.name
        try:
            cluster = mesh_services.read(client, model, cross_model=False)
            current = cluster.namespace_labels.get(model, {})
            labels = gateways.label_removals(current, model, app)
            labels |= gateways.ingress_label_removals(current, model, app)
            patches = gateways.namespace_patches(model, labels, current)
            done = kube.apply_labels(client, patches, self.identity.field_manager)
            yield from (error for _, error in done.failed)
        except kube.RequestError as error:
            yield error
        name = gateways.labels_config_map_name(app)
        yield from kube.failure(kube.delete, client, ConfigMap, name, model)


if __name__ == "__main__":
    charm.main(IstioBeaconCharm)
