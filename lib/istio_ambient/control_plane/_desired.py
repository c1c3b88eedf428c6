# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From facts to every object of the control plane."""

import itertools

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment

from istio_ambient import kube, manifests, resources
from istio_ambient.authorization import hardened_mode
from istio_ambient.control_plane import _crds, _preflight, _rollout
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._options import AUTO, Options
from istio_ambient.kube import Desired


def desired(facts: Facts) -> Desired:
    """Return the custom resource definitions, the control plane, and hardened mode's policies.

    What the preflight finds keeps a mesh from being installed; one that runs goes on, and its
    policies too, with the finding in the status.
    """
    options = facts.options
    if options is None:
        return Desired(problems=facts.problems, hold=True)
    live = facts.live or kube.Live(resources.identity(facts.model, facts.app))
    definitions = _crds.definitions(live, facts.around.crds)
    cni = _preflight.cni_findings(facts.around)
    warnings = cni if options.cni_preflight == "warn" else []
    findings = (
        *(finding for finding in cni if finding not in warnings),
        *_preflight.findings(facts.around),
        *definitions.problems,
    )
    hardened = hardened_mode.policies(facts.model, facts.app) if options.hardened_mode else ()
    objects = (
        *definitions.objects,
        *manifests.render(_values(facts, options)),
        *hardened,
        *((_strict_mtls(facts.model),) if options.mtls_mode == "strict" else ()),
    )
    runs = live.get(Deployment, "istiod", facts.model) is not None
    return Desired(
        objects=objects,
        problems=tuple(itertools.chain(facts.problems, findings)),
        held=_rollout.held(objects, live),
        message="; ".join(map(str, warnings)),
        hold=bool(findings) and not runs,
    )


def tolerates(change: kube.Change) -> bool:
    """Return whether somebody else's object serves as well as ours.

    The Gateway API's guard of its CRDs is everybody's; what CRDs must serve has been judged.
    """
    guards = {kube.ref_of(guard) for guard in manifests.gateway_api_admission()}
    return change.ref in guards


def _values(facts: Facts, options: Options) -> manifests.ControlPlane:
    return manifests.ControlPlane(
        namespace=facts.model,
        platform=facts.found_platform if options.platform == AUTO else options.platform,
        cni_bin_dir=options.cni_bin_dir,
        cni_conf_dir=options.cni_conf_dir,
        auto_allow_waypoint_policy=options.auto_allow_waypoint_policy,
        replicas=facts.replicas,
        tracing=facts.integrations.tracing,
        ext_authz_providers=facts.integrations.ext_authz_providers,
        jwks_ca=facts.integrations.jwks_ca,
        pod_labels=facts.pod_labels,
        hub=options.hub,
        tag=options.tag,
        image_pull_policy=options.image_pull_policy,
        image_pull_secrets=options.image_pull_secrets,
        mesh_config=options.mesh_config,
        istiod=options.pods("istiod"),
        cni=options.pods("cni"),
        ztunnel=options.pods("ztunnel"),
        mesh_ca=options.mesh_ca,
    )


def _strict_mtls(namespace: str) -> kube.Resource:
    """Return the policy of the whole mesh; by Istio's convention it is called `default`.

    An operator who has one already hears of it, and which of the two counts is never left to age.
    """
    return resources.PeerAuthentication(
        metadata=ObjectMeta(name="default", namespace=namespace),
        spec={"mtls": {"mode": "STRICT"}},
    )
