# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""All objects and labels that a beacon desires, from its facts."""

from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.beacon._facts import Facts
from istio_ambient.kube import Desired
from istio_ambient.values.names import name_with_hash

MODEL_OPERATOR_LABELS = {"juju-modeloperator": "modeloperator"}


def desired(facts: Facts) -> Desired:
    """Return the objects and labels that should exist, and the problems to report."""
    on_namespace, obstacles = facts.namespace_labels()
    for_ingress, more = facts.ingress_labels()
    # Problems of access requests are reported only while these become policies.
    managed = facts.config.manage_authorization_policies
    found = [each for each in facts.problems if managed or not each.app]
    waypoint = gateways.waypoint(
        facts.model,
        facts.app,
        replicas=facts.replicas,
        pod_labels=facts.pod_labels,
        settings=facts.config.waypoint,
        namespaces=facts.route_namespaces,
    )
    service = facts.cluster.services.get((facts.model, facts.app))
    labels = gateways.labels_config_map(facts.member_labels, model=facts.model, app=facts.app)
    return Desired(
        objects=(
            *gateways.objects(waypoint),
            labels,
            *authorization.in_trust_domains(_policies(facts), facts.trust_domains),
        ),
        labels=(
            *gateways.namespace_patches(
                facts.model,
                {**on_namespace, **for_ingress},
                facts.cluster.namespace_labels.get(facts.model),
            ),
            *gateways.own_patches(
                {**facts.member_labels},
                service.labels if service else None,
                model=facts.model,
                app=facts.app,
            ),
        ),
        problems=(*obstacles, *more, *facts.config.problems, *found, *facts.outcomes.refused),
        warnings=tuple(facts.open_to_everyone),
        held=gateways.held(waypoint),
        message=facts.message,
    )


def _policies(facts: Facts) -> tuple[kube.Resource, ...]:
    if not facts.config.manage_authorization_policies:
        return ()
    granted = (*facts.outcomes.granted, *facts.own_requests)
    requested = authorization.policies(granted, model=facts.model, app=facts.app)
    return (*requested, _model_operator(facts)) if facts.config.model_on_mesh else requested


def _model_operator(facts: Facts) -> resources.Namespaced:
    """Return the policy that keeps Juju's model operator reachable for all clients.

    Otherwise hardened mode would cut off Juju itself, which has no identity on the mesh.
    """
    name = name_with_hash(f"{facts.app}-{facts.model}-policy-all-sources-modeloperator", 253)
    target = authorization.Target.workload(facts.model, MODEL_OPERATOR_LABELS)
    # The key is part of the annotation's published format.
    requested_by = authorization.requested_by({"everybody": ["config:model-on-mesh"]})
    return authorization.allow(name, target, (authorization.AllowRule(),), requested_by)
