#!/usr/bin/env python3
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm of the Istio ambient control plane."""

# First, for the sake of the other imports: it sets how often Python looks for garbage.
import istio_ambient  # noqa: F401  # pyright: ignore[reportUnusedImport]

# isort: split
import datetime
from collections.abc import Iterable, Mapping

import msgspec
import ops
from istio_ambient import charm, control_plane, kube, manifests, resources
from istio_ambient.authorization import order
from istio_ambient.charm import observability, user_secrets
from istio_ambient.cluster import mesh_config_trial as trial
from istio_ambient.cluster import surroundings
from istio_ambient.interfaces import (
    certificate_transfer,
    istio_ingress_config,
    metadata,
    tracing,
)
from istio_ambient.kube import Desired
from istio_ambient.values import images
from istio_ambient.values.problems import Problem
from lightkube.resources import (
    admissionregistration_v1,
    apiextensions_v1,
    apps_v1,
    autoscaling_v2,
    core_v1,
    policy_v1,
    rbac_authorization_v1,
)

_DEFINITION = apiextensions_v1.CustomResourceDefinition


class IstioCharm(charm.ReconcilingCharm[control_plane.Facts]):
    """Installs the ambient control plane and keeps its objects as desired."""

    MANAGED = (
        apiextensions_v1.CustomResourceDefinition,
        core_v1.ServiceAccount,
        rbac_authorization_v1.ClusterRole,
        rbac_authorization_v1.ClusterRoleBinding,
        rbac_authorization_v1.Role,
        rbac_authorization_v1.RoleBinding,
        core_v1.ConfigMap,
        core_v1.ResourceQuota,
        core_v1.Service,
        apps_v1.Deployment,
        apps_v1.DaemonSet,
        autoscaling_v2.HorizontalPodAutoscaler,
        policy_v1.PodDisruptionBudget,
        admissionregistration_v1.ValidatingWebhookConfiguration,
        # None is desired: the webhook of the public charm is pruned when its objects are adopted.
        admissionregistration_v1.MutatingWebhookConfiguration,
        admissionregistration_v1.ValidatingAdmissionPolicy,
        admissionregistration_v1.ValidatingAdmissionPolicyBinding,
        resources.AuthorizationPolicy,
        resources.PeerAuthentication,
        core_v1.Secret,
        core_v1.Namespace,
    )
    # The others decide: definitions, MeshConfig, rollout and readiness, certificate authority.
    APART = frozenset(MANAGED) - {
        apiextensions_v1.CustomResourceDefinition,
        core_v1.ConfigMap,
        apps_v1.Deployment,
        apps_v1.DaemonSet,
        core_v1.Secret,
    }
    ACCESS = order.ACCESS
    # The definitions are its own: the API server serves them soon after they are written.
    DEFERRED_REMEDY = ""
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
        self._refused_before: frozenset[tuple[str, str]] | None = None

    def reconcile(self) -> kube.Plan:
        """Publish the databags that remote applications need in advance, then reconcile.

        Ingresses and observers get the model of the control plane; providers of traces and of
        certificate authorities get the request that their interfaces expect. Only the leader may
        write these databags.
        """
        if self.unit.is_leader():
            self.relations.write_all("istio-metadata", metadata.dump_istio(self.model.name))
            self.relations.write_all(control_plane.TRACING, tracing.request("otlp_grpc"))
            self.relations.write_all(control_plane.AUTHORITIES, certificate_transfer.request())
        return super().reconcile()

    def gather(self, client: kube.Client, live: kube.Live) -> control_plane.Facts:
        """Return the facts: configuration, databags, live objects and the rest of the cluster."""
        config = self.load_config(control_plane.Config)
        integrations = control_plane.read_integrations(
            collectors=self._remotes(control_plane.TRACING),
            ingresses=self._remotes(control_plane.INGRESS),
            authorities=self._remotes(control_plane.AUTHORITIES),
        )
        return control_plane.Facts(
            model=self.model.name,
            app=self.app.name,
            replicas=self.replicas,
            pod_labels=self.telemetry_label,
            config=config,
            site_ca=self._site_ca(config.ca_secret, live),
            integrations=integrations,
            around=surroundings.read(client, live),
            live=live,
            refused=control_plane.refused_overlay(live),
            taken=control_plane.taken_overlay(live),
        )

    def _site_ca(self, secret_id: str, live: kube.Live) -> control_plane.SiteCA:
        content = user_secrets.read(self.model, control_plane.CA_SECRET, secret_id, self.app.name)
        cacerts = live.get(core_v1.Secret, manifests.CACERTS, self.model.name)
        applied = manifests.mesh_ca_of(cacerts) if isinstance(cacerts, core_v1.Secret) else None
        now = datetime.datetime.now(datetime.UTC)
        return control_plane.read_site_ca(content, secret_id, now, applied)

    def _remotes(self, endpoint: str) -> list[control_plane.Remote]:
        return [
            control_plane.Remote(
                relation.id,
                relation.app.name,
                self.relations.databag(relation) or {},
                self.relations.unit_databags(relation),
            )
            for relation in self.relations.of(endpoint)
        ]

    def desired(self, facts: control_plane.Facts) -> Desired:
        """Return the custom resource definitions, the control plane and hardened mode."""
        return control_plane.desired(facts)

    def plan(self, desired: Desired, live: kube.Live) -> kube.Plan:
        """Return the plan; before a new MeshConfig, note what proxies refuse already."""
        plan = super().plan(desired, live)
        if live.objects and any(_is_mesh_config(change.ref) for change in plan.writes):
            self._refused_before = trial.refusals(self.client, self.model.name)
        return plan

    def publish(self, facts: control_plane.Facts, live: kube.Live) -> None:
        """Publish to ingresses the provider names of their authorizers."""
        applied = live.get(core_v1.ConfigMap, "istio", facts.model)
        data: Mapping[str, str] = (applied.data if applied else None) or {}
        replies = control_plane.provider_replies(facts.integrations, data.get("mesh", ""))
        for relation in self.relations.of(control_plane.INGRESS):
            reply = replies.get(relation.id)
            content = istio_ingress_config.dump(reply) if reply else {}
            keys = istio_ingress_config.REPLY_KEYS
            self.relations.write(relation, self.app, content, keys)

    def readiness(
        self, client: kube.Client, facts: control_plane.Facts, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return the readiness of istiod, istio-cni and ztunnel."""
        for kind, name in control_plane.WORKLOADS:
            workload = live.get(kind, name, self.model.name)
            yield kube.workload_readiness(client, workload, name)

    def acceptance(
        self, client: kube.Client, facts: control_plane.Facts, live: kube.Live, *, wrote: bool
    ) -> Iterable[kube.Readiness | Problem]:
        """Return what istiods and ztunnels do not take; an overlay that is refused is left out.

        Only a new overlay is: once it was in use, what is refused has other reasons.
        """
        on_trial = facts.has_new_overlay and self._is_applied(facts, live)
        result = trial.run(
            client,
            live,
            hardened=facts.config.hardened_mode,
            wrote=wrote,
            on_trial=on_trial,
            refused_before=self._refused_before,
        )
        overlay = control_plane.overlay_digest(facts.config.mesh_config)
        if not (on_trial and self.unit.is_leader()):
            return result.findings
        if result.refused:
            refused = control_plane.RefusedOverlay(digest=overlay, words=result.words)
            self._write_mesh_config(msgspec.structs.replace(facts, refused=refused), live)
            return [refused.problem, *result.findings]
        if result.in_use:
            self._write_mesh_config(msgspec.structs.replace(facts, taken=overlay), live)
        return result.findings

    def _is_applied(self, facts: control_plane.Facts, live: kube.Live) -> bool:
        """Return whether the MeshConfig in the cluster is that of the facts."""
        desired = self.desired(facts)
        return not desired.hold and control_plane.is_applied(desired.objects, live)

    def _write_mesh_config(self, facts: control_plane.Facts, live: kube.Live) -> None:
        """Write the MeshConfig of the facts; what was refused before is not tried again."""
        self._apply(super().plan(self.desired(facts), live), live)

    def version(self, facts: control_plane.Facts) -> str:
        """Return the version of istiod that runs; none while another one takes its place."""
        return images.version_of(self.image_of("istiod")) if self.is_ready("istiod") else ""

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Return a Pebble check of istiod's xDS and certificate port, through its Service."""
        return {"istiod": observability.tcp_check(f"istiod.{self.model.name}.svc", 15012)}

    def deferred_since(self, live: kube.Live) -> datetime.datetime | None:
        """Return when the newest of our definitions was written."""
        made = [each.metadata.creationTimestamp for each in live.of(_DEFINITION)]
        return max((time for time in made if time is not None), default=None)

    def tolerates(self, change: kube.Change) -> bool:
        """Return whether an object of another installer can stand in for ours."""
        return control_plane.tolerates(change)

    def answer(self, event: ops.ActionEvent) -> None:
        """Answer an action about the control plane."""
        from istio_ambient.actions import control_plane as actions

        actions.ControlPlaneActions(self).answer(event)

    def cleanup(self, client: kube.Client) -> Iterable[kube.RequestError]:
        """Remove the objects that istiod created, and the GatewayClasses of its controller."""
        from istio_ambient.actions import control_plane as actions

        # Without its option, the authority stays: all certificates depend on it.
        purge = self.has_options and self.load_config(control_plane.Config).purge_ca
        return actions.clean_up(client, self.model.name, purge_ca=purge)


def _is_mesh_config(ref: kube.Ref) -> bool:
    return ref.kind == core_v1.ConfigMap.__name__ and ref.name == control_plane.CONFIG_MAP


if __name__ == "__main__":
    charm.main(IstioCharm)
