# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The desired objects of the control plane, from facts."""

import itertools
from collections.abc import Mapping

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace

from istio_ambient import kube, manifests, preflight, resources
from istio_ambient.authorization import hardened_mode
from istio_ambient.control_plane import _crds, _rollout, _versions
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._overlay import overlay_digest, taken_annotations, without_effect
from istio_ambient.kube import Desired
from istio_ambient.values.problems import Problem


def desired(facts: Facts) -> Desired:
    """Return the custom resource definitions, the control plane, and hardened mode's policies.

    With an invalid option, or an invalid new certificate authority, everything is held as it is.
    Findings of the preflight prevent an installation; a control plane that runs is still updated,
    with the findings in the status.
    """
    config = facts.config
    if config.invalid or not facts.site_ca.is_usable:
        return Desired(problems=facts.problems, hold=True)
    live = facts.live or kube.Live(resources.identity(facts.model, facts.app))
    ahead = tuple(_versions.findings(live))
    if ahead:
        return Desired(problems=(*facts.problems, *ahead), hold=True)
    definitions = _crds.definitions(live, facts.around.crds, facts.around.abandoned)
    found = preflight.findings(facts.cluster)
    warns = config.cni_preflight == "warn"
    findings = (*(() if warns else found.cni), *found.others, *definitions.problems)
    hardened = hardened_mode.objects(facts.model, facts.app) if config.hardened_mode else ()
    objects = (
        *definitions.objects,
        *manifests.render(_control_plane(facts)),
        *hardened,
        *((_strict_mtls(facts.model),) if config.mtls_mode == "strict" else ()),
    )
    runs = live.get(Deployment, "istiod", facts.model) is not None
    return Desired(
        objects=objects,
        problems=tuple(itertools.chain(facts.problems, findings)),
        held=_rollout.held(objects, live),
        warnings=(
            *(found.cni if warns else ()),
            *found.warnings,
            *_versions.warnings(facts.app, config.tag, live),
            *without_effect(config.mesh_config),
        ),
        hold=bool(findings) and not runs,
    )


def definition_problems(facts: Facts) -> tuple[Problem, ...]:
    """Return what is wrong with custom resource definitions, ours and others'."""
    live = facts.live or kube.Live(resources.identity(facts.model, facts.app))
    return _crds.definitions(live, facts.around.crds, facts.around.abandoned).problems


def tolerates(change: kube.Change) -> bool:
    """Return whether an object of another installer can stand in for ours.

    The admission policy of the Gateway API is the same from every installer. CRDs of others are
    compared with ours before (`_crds`). The namespace of hardened mode's copies is only made where
    there is none.
    """
    if change.ref == kube.ref_in(Namespace, hardened_mode.BUILT_IN_ROOT):
        return True
    guards = {kube.ref_of(guard) for guard in manifests.gateway_api_admission()}
    return change.ref in guards


def _control_plane(facts: Facts) -> manifests.ControlPlane:
    left_out = facts.left_out
    config = facts.config.model_copy(update={"mesh_config": {}}) if left_out else facts.config
    return manifests.ControlPlane(
        namespace=facts.model,
        config=config,
        mesh_config_annotations=_annotations(facts),
        found_platform=facts.around.platform,
        replicas=facts.replicas,
        tracing=facts.integrations.tracing,
        ext_authz_providers=facts.integrations.ext_authz_providers,
        jwks_ca=facts.integrations.jwks_ca,
        pod_labels=facts.pod_labels,
        mesh_ca=facts.site_ca.mesh_ca,
    )


def _annotations(facts: Facts) -> Mapping[str, str]:
    """Return what the ConfigMap with the MeshConfig remembers of the overlay."""
    if facts.left_out is not None:
        return facts.left_out.annotations
    same = facts.taken and facts.taken == overlay_digest(facts.config.mesh_config)
    return taken_annotations(facts.taken) if same else {}


def _strict_mtls(namespace: str) -> kube.Resource:
    """Return the policy of the whole mesh; by Istio's convention its name is `default`.

    An operator's own policy of that name is reported. A second policy of another name would be
    decided between by age.
    """
    return resources.PeerAuthentication(
        metadata=ObjectMeta(name="default", namespace=namespace),
        spec={"mtls": {"mode": "STRICT"}},
    )
