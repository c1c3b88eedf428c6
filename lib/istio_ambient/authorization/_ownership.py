# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Least authority: an application may ask for access to itself, and to nothing else."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator

from istio_ambient.authorization import _requests
from istio_ambient.authorization._requests import AccessRequest, Cluster, Target, TargetKind
from istio_ambient.values.problems import Problem


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What becomes of requests."""

    granted: tuple[AccessRequest, ...] = ()
    """Requests to close a target, which let nobody in, among them."""
    refused: tuple[Problem, ...] = ()
    pending: tuple[Problem, ...] = ()
    """Asked for what does not exist (yet): nothing is created, and nobody has to do anything."""


@dataclasses.dataclass(frozen=True)
class _No:
    message: str
    remedy: str = ""
    pending: bool = False


def judge(
    requests: Iterable[AccessRequest],
    cluster: Cluster,
    *,
    namespace: str,
    trusted: Collection[str] = (),
) -> Verdicts:
    """Decide each request by what the cluster shows, not by what the requester says of itself.

    In our own model the requester is the application of the relation: a Service is its own when
    the selector holds `app.kubernetes.io/name: <app>`; a workload selector is when it holds that
    label or `app.kubernetes.io/part-of: <app>`. A requester from another model is bound to the
    namespace that Juju marked with that model's UUID. Its name there cannot be verified, so an
    application deployed by Juju of the target's name must exist there.

    Where a requester got a policy before and may not have it any more, or the target is gone, the
    target is closed: taking the policy away would open it, or one that comes back, to everybody.

    Args:
        requests: what is asked for.
        cluster: Services and namespaces.
        namespace: our own.
        trusted: applications of our model that may ask for access to others of the model.
    """
    granted: list[AccessRequest] = []
    refused: list[Problem] = []
    pending: list[Problem] = []
    for request in requests:
        no = _judge(request, cluster, namespace, trusted)
        if no is None:
            granted.append(request)
        elif request.established:
            granted.append(dataclasses.replace(request, source=None, operations=()))
        if no is not None and request.source is not None:
            requester = request.requester
            problem = Problem(
                requester.app, requester.endpoint, request.field, no.message, no.remedy
            )
            (pending if no.pending else refused).append(problem)
    return Verdicts(tuple(granted), tuple(refused), tuple(pending))


def targets_of(app: str, cluster: Cluster, namespace: str) -> Iterator[Target]:
    """Return everything that belongs to an application: its Services, and all of its pods."""
    for service in cluster.services.values():
        if service.namespace == namespace and service.selector.get(_requests.NAME_LABEL) == app:
            yield Target.service(namespace, service.name)
    for key in (_requests.NAME_LABEL, _requests.PART_OF_LABEL):
        yield Target.workload(namespace, {key: app})


def _judge(
    request: AccessRequest, cluster: Cluster, namespace: str, trusted: Collection[str]
) -> _No | None:
    home = _home(request, cluster, namespace)
    if home is None:
        return _No(
            "comes from a model that no namespace of this cluster is marked with",
            "integrate within one cluster, where Juju marks namespaces with model.juju.is/id",
        )
    if request.target.namespace != home:
        return _No(
            f"asks for {request.target}, outside its own model",
            f"ask for access to itself, in namespace {home}",
        )
    if request.requester.model_uuid:
        return _judge_cross_model(request, cluster)
    return _judge_same_model(request, cluster, trusted=request.requester.app in trusted)


def _home(request: AccessRequest, cluster: Cluster, namespace: str) -> str | None:
    if not request.requester.model_uuid:
        return namespace
    return cluster.model_namespaces.get(request.requester.model_uuid)


def _judge_same_model(request: AccessRequest, cluster: Cluster, *, trusted: bool) -> _No | None:
    target, app = request.target, request.requester.app
    if target.kind is TargetKind.SERVICE:
        service = cluster.services.get((target.namespace, target.name))
        if service is None:
            return _No(f"{target} does not exist yet", pending=True)
        own = service.selector.get(_requests.NAME_LABEL) == app
        remedy = f"ask for a Service whose selector has {_requests.NAME_LABEL}: {app}"
    else:
        labels = dict(target.labels)
        keys = (_requests.NAME_LABEL, _requests.PART_OF_LABEL)
        own = any(labels.get(key) == app for key in keys)
        remedy = f"select by {keys[0]} or {keys[1]}: {app}"
    if own or trusted:
        return None
    return _No(f"asks for {target}, which is not its own", remedy)


def _judge_cross_model(request: AccessRequest, cluster: Cluster) -> _No | None:
    target = request.target
    if target.kind is TargetKind.SERVICE:
        service = cluster.services.get((target.namespace, target.name))
        if service is None:
            return _No(f"{target} does not exist yet", pending=True)
        owners = {service.selector.get(_requests.NAME_LABEL, "")}
    else:
        labels = dict(target.labels)
        keys = (_requests.NAME_LABEL, _requests.PART_OF_LABEL)
        owners = {labels.get(key, "") for key in keys}
    if request.target_app:
        owners &= {request.target_app}
    if any(_deployed_by_juju(cluster, target.namespace, owner) for owner in owners):
        return None
    return _No(
        f"asks for {target}, which belongs to no application that Juju deployed there",
        "ask for access to itself, by the name it has in its own model",
    )


def _deployed_by_juju(cluster: Cluster, namespace: str, app: str) -> bool:
    service = cluster.services.get((namespace, app))
    return service is not None and service.by_juju
