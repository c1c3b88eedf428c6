#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm of the Istio ambient control plane."""

import logging
from collections.abc import Iterable, Mapping

import ops
from istio_ambient import (
    charm,
    control_plane,
    kube,
    manifests,
    observability,
    resources,
    user_secrets,
)
from istio_ambient.desired import Desired
from istio_ambient.relations import (
    certificate_transfer,
    istio_ingress_config,
    istio_metadata,
    tracing,
)
from lightkube.resources.admissionregistration_v1 import ValidatingWebhookConfiguration
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import (
    ConfigMap,
    Node,
    ResourceQuota,
    Secret,
    Service,
    ServiceAccount,
)
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.resources.rbac_authorization_v1 import (
    ClusterRole,
    ClusterRoleBinding,
    Role,
    RoleBinding,
)

logger = logging.getLogger(__name__)

TRACING, INGRESS, AUTHORITIES = "workload-tracing", "istio-ingress-config", "jwks-ca-cert"


class IstioCharm(charm.ReconcilingCharm[control_plane.Facts]):
    """Installs the ambient control plane and keeps it as it should be."""

    MANAGED = (
        CustomResourceDefinition,
        ServiceAccount,
        ClusterRole,
        ClusterRoleBinding,
        Role,
        RoleBinding,
        ConfigMap,
        ResourceQuota,
        Service,
        Deployment,
        DaemonSet,
        HorizontalPodAutoscaler,
        PodDisruptionBudget,
        ValidatingWebhookConfiguration,
        resources.AuthorizationPolicy,
        resources.PeerAuthentication,
        Secret,
    )
    ADOPTED_SCOPES = frozenset(
        {
            "control-plane",
            "istio-crds",
            "gateway-apis-crds",
            "istio-authorization-policy",
        }
    )

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.tracing = observability.trace_charm(self, "charm-tracing")

    def reconcile(self) -> kube.Plan:
        """Tell others what they need to know of us, or what we need of them; then reconcile."""
        observability.publish_metrics(self, "metrics-endpoint")
        if self.unit.is_leader():
            observability.publish_dashboards(self, "grafana-dashboard")
            self._announce("istio-metadata", istio_metadata.dump(self.model.name))
            self._announce(TRACING, tracing.request("otlp_grpc"))
            self._announce(AUTHORITIES, certificate_transfer.request())
        return super().reconcile()

    def _announce(self, endpoint: str, databag: Mapping[str, str]) -> None:
        for relation in self.active_relations(endpoint):
            relation.data[self.app].update(databag)

    def gather(self, client: kube.Client, live: kube.Live) -> control_plane.Facts:
        """Return the facts: configuration, relations, and what kind of cluster this is."""
        secret_id = self.config.get(control_plane.CA_SECRET)
        secret = user_secrets.read(self.model, control_plane.CA_SECRET, secret_id, self.app.name)
        options, problems = control_plane.parse_options(self.config, secret)
        auto = options is not None and options.platform == control_plane.AUTO
        integrations = control_plane.read_integrations(
            collectors=self._remotes(TRACING),
            ingresses=self._remotes(INGRESS),
            authorities=self._remotes(AUTHORITIES),
        )
        return control_plane.Facts(
            model=self.model.name,
            app=self.app.name,
            replicas=self.replicas,
            pod_labels=self.telemetry_label,
            options=options,
            found_platform=control_plane.platform_of(
                kube.first_of(client, Node) if auto else None
            ),
            problems=(*problems, *integrations.problems),
            integrations=integrations,
        )

    def _remotes(self, endpoint: str) -> list[control_plane.Remote]:
        return [
            control_plane.Remote(
                relation.id,
                relation.app.name,
                self.remote_databag(relation),
                tuple(dict(relation.data[unit]) for unit in relation.units),
            )
            for relation in self.active_relations(endpoint)
        ]

    def desired(self, facts: control_plane.Facts) -> Desired:
        """Return the custom resource definitions, the control plane and hardened mode."""
        return control_plane.desired(facts)

    def publish(self, facts: control_plane.Facts, live: kube.Live) -> None:
        """Say which Istio this is, and to ingresses how the mesh calls their authorizers."""
        self.unit.set_workload_version(manifests.VERSION)
        applied = live.get(ConfigMap, "istio", facts.model)
        data: Mapping[str, str] = (applied.data if applied else None) or {}
        replies = control_plane.provider_replies(facts.integrations, data.get("mesh", ""))
        for relation in self.active_relations(INGRESS):
            databag = relation.data[self.app]
            if relation.id in replies:
                databag.update(istio_ingress_config.dump(replies[relation.id]))
            else:
                databag.pop(istio_ingress_config.PROVIDER_NAME, None)

    def readiness(
        self, client: kube.Client, facts: control_plane.Facts, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return the readiness of istiod, istio-cni and ztunnel."""
        for kind, name in control_plane.WORKLOADS:
            workload = live.get(kind, name, self.model.name)
            yield kube.workload_readiness(client, workload, name)

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Watch istiod's xDS and certificate port through its Service."""
        host = f"istiod.{self.model.name}.svc"
        return {
            "istiod": {
                "override": "replace",
                "startup": "enabled",
                "period": "10s",
                "timeout": "3s",
                "threshold": 3,
                "tcp": {"host": host, "port": 15012},
            }
        }

    def tolerates(self, change: kube.Change) -> bool:
        """Use custom resource definitions of somebody else if they can do all that is needed."""
        if change.kind is not CustomResourceDefinition or change.existing is None:
            return False
        return manifests.serves(change.existing, change.manifest or {})

    def cleanup(self, client: kube.Client) -> None:
        """Remove what istiod made for itself, and the GatewayClasses that point to it."""
        for kind, names in manifests.MADE_BY_ISTIOD:
            for name in names:
                kube.delete(client, kind, name, self.model.name)
        for gateway_class in kube.list_kind(client, resources.GatewayClass) or ():
            if gateway_class["spec"]["controllerName"].startswith(manifests.GATEWAY_CONTROLLERS):
                kube.delete(client, resources.GatewayClass, gateway_class.metadata.name)
        labels = {manifests.ISTIOD_CONFIG_LABEL: "true"}
        for kept in kube.list_kind(client, ConfigMap, labels) or ():
            logger.info("kept, made by istiod: %s", kube.ref_of(kept))
        logger.info("kept: custom resource definitions, for the objects of others")


if __name__ == "__main__":
    ops.main(IstioCharm)
