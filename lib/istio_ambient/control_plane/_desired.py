# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From facts to every object of the control plane."""

from istio_ambient import manifests
from istio_ambient.control_plane._facts import Facts
from istio_ambient.control_plane._options import Options
from istio_ambient.desired import Desired
from istio_ambient.mesh import hardened_mode


def desired(facts: Facts) -> Desired:
    """Return the custom resource definitions, the control plane, and hardened mode's policies."""
    options = facts.options
    if options is None:
        return Desired(problems=facts.problems, hold=True)
    hardened = hardened_mode.policies(facts.model, facts.app) if options.hardened_mode else ()
    return Desired(
        objects=(*manifests.crds(), *manifests.render(_values(facts, options)), *hardened),
        problems=facts.problems,
    )


def _values(facts: Facts, options: Options) -> manifests.ControlPlane:
    return manifests.ControlPlane(
        namespace=facts.model,
        platform=options.platform,
        cni_bin_dir=options.cni_bin_dir,
        cni_conf_dir=options.cni_conf_dir,
        auto_allow_waypoint_policy=options.auto_allow_waypoint_policy,
        replicas=facts.replicas,
        pod_labels=facts.pod_labels,
    )
