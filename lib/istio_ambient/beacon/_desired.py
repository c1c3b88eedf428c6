# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Everything that a beacon wants of the cluster, from everything that it knows."""

import dataclasses
from collections.abc import Mapping

from istio_ambient import authorization, gateways, kube, resources
from istio_ambient.beacon._config import Config
from istio_ambient.kube import Desired
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problems import Problem

MODEL_OPERATOR_LABELS = {"juju-modeloperator": "modeloperator"}


@dataclasses.dataclass(frozen=True)
class Facts:
    """Config, databags and cluster reads of one hook."""

    model: str
    app: str
    replicas: int
    pod_labels: Mapping[str, str]
    """For the waypoint's pods."""
    cluster: authorization.Cluster
    requests: tuple[authorization.AccessRequest, ...] = ()
    """What applications ask for, judged by what belongs to them."""
    own_requests: tuple[authorization.AccessRequest, ...] = ()
    """What we ask for ourselves."""
    config: Config = dataclasses.field(default_factory=Config)
    problems: tuple[Problem, ...] = ()
    """Found while reading databags."""
    pending: tuple[Problem, ...] = ()
    """What cannot be granted yet, found while reading databags."""

    @property
    def waypoint(self) -> str:
        """Name of our waypoint."""
        return gateways.waypoint_name(self.model, self.app)

    @property
    def published_labels(self) -> dict[str, str]:
        """What related applications are told to label their pods and Services with.

        Nothing where the namespace's labels do that. Where these are somebody else's, applications
        stay behind our waypoint by labels of their own: without, nobody might decide on requests.
        """
        _, obstacles = self.namespace_labels()
        return {} if self.config.model_on_mesh and not obstacles else self.member_labels

    @property
    def member_labels(self) -> dict[str, str]:
        """What puts pods and Services on the mesh behind our waypoint."""
        return gateways.member_labels(self.waypoint, self.model)

    def namespace_labels(self) -> tuple[gateways.Labels, list[Problem]]:
        """Return what to set on our namespace, and what is in the way."""
        return gateways.namespace_labels(
            self.cluster.namespace_labels.get(self.model, {}),
            wanted=self.config.model_on_mesh,
            waypoint=self.waypoint,
            model=self.model,
            app=self.app,
        )


def verdicts(facts: Facts) -> authorization.Verdicts:
    """Decide what applications ask for, while access is managed at all."""
    if not facts.config.manage_authorization_policies:
        return authorization.Verdicts()
    decided = authorization.judge(
        facts.requests,
        facts.cluster,
        namespace=facts.model,
        trusted=facts.config.trusted_requesters,
    )
    return dataclasses.replace(decided, pending=(*facts.pending, *decided.pending))


def desired(facts: Facts) -> Desired:
    """Return everything that should exist for the facts."""
    on_namespace, obstacles = facts.namespace_labels()
    decided = verdicts(facts)
    # What applications say about access matters to nobody while it is not managed.
    found = [
        each
        for each in facts.problems
        if facts.config.manage_authorization_policies or not each.app
    ]
    waypoint = gateways.waypoint(
        facts.model,
        facts.app,
        replicas=facts.replicas,
        pod_labels=facts.pod_labels,
        settings=facts.config.waypoint,
    )
    memory = gateways.labels_config_map(facts.member_labels, model=facts.model, app=facts.app)
    return Desired(
        objects=(*gateways.objects(waypoint), memory, *_access(facts, decided)),
        labels=(
            *gateways.namespace_patches(facts.model, on_namespace),
            *gateways.own_patches({**facts.member_labels}, model=facts.model, app=facts.app),
        ),
        problems=(*obstacles, *facts.config.problems, *found, *decided.refused),
        held=gateways.held(waypoint),
    )


def _access(facts: Facts, decided: authorization.Verdicts) -> tuple[kube.Resource, ...]:
    if not facts.config.manage_authorization_policies:
        return ()
    granted = (*decided.granted, *facts.own_requests)
    asked = authorization.policies(granted, model=facts.model, app=facts.app)
    return (*asked, _model_operator(facts)) if facts.config.model_on_mesh else asked


def _model_operator(facts: Facts) -> resources.Namespaced:
    """Let everybody reach Juju's model operator, or hardened mode cuts Juju itself off."""
    name = name_with_hash(f"{facts.app}-{facts.model}-policy-all-sources-modeloperator", 253)
    target = authorization.Target.workload(facts.model, MODEL_OPERATOR_LABELS)
    asked = authorization.requested_by({"everybody": ["config:model-on-mesh"]})
    return authorization.allow(name, target, (authorization.Rule(),), asked)
