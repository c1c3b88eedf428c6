# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ownership: an application may ask for access to itself, and have itself exposed, only.

`Ownership.refusal` decides it for both charms: `istio-beacon-k8s` calls it about the targets of
access requests (`objections`), `istio-ingress-k8s` about the backends of routes
(`Ownership.backend_refusal`).
"""

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from istio_ambient import gateways
from istio_ambient.authorization import _requests
from istio_ambient.authorization._requests import (
    AccessRequest,
    Cluster,
    Requester,
    Target,
    TargetKind,
)
from istio_ambient.values.labels import PART_OF_LABEL
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


class Refusal(enum.Enum):
    """Why an application may not ask for something that is about a target."""

    UNKNOWN_MODEL = enum.auto()
    """No namespace, or more than one, is marked with the UUID of the requester's model."""
    OTHER_MODEL = enum.auto()
    """The target is outside the requester's own model."""
    NOT_OWN = enum.auto()
    """The target's labels name another application of our model, or none."""
    NOT_DEPLOYED = enum.auto()
    """The target's labels name no application that Juju deployed in the requester's model, or
    another one than the requester says."""
    EXTERNAL_NAME = enum.auto()
    """Of a backend: the Service sends requests out of the cluster."""
    NO_SELECTOR = enum.auto()
    """Of a backend: the Service selects no pods."""


class Ownership(msgspec.Struct, frozen=True):
    """The facts that decide which application a target belongs to.

    Nothing that a requester says widens what it may ask for: its model is the one that Juju
    reports, and a target belongs to the applications that the target's labels name.
    """

    namespace: str
    """Our own model, which is its namespace too."""
    model_namespaces: Mapping[str, str]
    """Namespace of a model by its UUID: see `authorization.model_namespaces`."""
    deployed: Collection[tuple[str, str]]
    """Namespace and name of each Service that Juju made, from `made_by_juju`."""
    trusted: Collection[str] = ()
    """Applications of our model that may ask for access to others of the model."""

    def home(self, requester: Requester) -> str | None:
        """Return the namespace of the requester's model; None where it is not known."""
        if not requester.model_uuid:
            return self.namespace
        return self.model_namespaces.get(requester.model_uuid)

    def refusal(
        self, requester: Requester, namespace: str, owners: Collection[str], home_name: str = ""
    ) -> Refusal | None:
        """Return why a requester may not ask for something about a target; None if it may.

        In our own model the requester is the application of the relation, so its name is compared
        with the target's owners. The name that an application of another model has there cannot
        be verified. Its model can, so the owner has to be an application that Juju deployed there.

        Args:
            requester: the application that asks.
            namespace: of the target.
            owners: applications that the target's labels name; empty: none.
            home_name: the name that the requester says it has in its own model; empty: it does
                not say.
        """
        home = self.home(requester)
        if home is None:
            return Refusal.UNKNOWN_MODEL
        if namespace != home:
            return Refusal.OTHER_MODEL
        if requester.model_uuid:
            named = [owner for owner in owners if home_name in ("", owner)]
            is_deployed = any((namespace, owner) in self.deployed for owner in named)
            return None if is_deployed else Refusal.NOT_DEPLOYED
        is_own = requester.app in owners or requester.app in self.trusted
        return None if is_own else Refusal.NOT_OWN

    def backend_refusal(
        self,
        requester: Requester,
        namespace: str,
        selector: Mapping[str, str],
        *,
        external_name: bool = False,
        home_name: str = "",
    ) -> Refusal | None:
        """Return why a requester may not have a Service exposed; None if it may.

        The pods of a gateway belong to the application that the Gateway is named after: that is
        how an application that is itself an ingress is exposed.

        Args:
            requester: the application that asks.
            namespace: of the Service.
            selector: of the Service.
            external_name: whether the Service is of type ExternalName, which leads out of the
                cluster whatever its selector is. Trust does not change that.
            home_name: as for `refusal`.
        """
        if external_name:
            return Refusal.EXTERNAL_NAME
        if not selector:
            return Refusal.NO_SELECTOR
        owner = selector.get(_requests.NAME_LABEL) or selector.get(gateways.NAME_LABEL)
        return self.refusal(requester, namespace, [owner] if owner else [], home_name)


def made_by_juju(
    services: Mapping[tuple[str, str], _requests.ServiceFacts],
) -> frozenset[tuple[str, str]]:
    """Return namespace and name of each Service that Juju made.

    It makes one of the application's name for every application that it deploys.
    """
    return frozenset(key for key, service in services.items() if service.by_juju)


class Objection(msgspec.Struct, frozen=True):
    """Why an access request is not granted."""

    code: Code
    message: str
    remedy: str = ""
    pending: bool = False
    """What the request names does not exist yet: it is granted once it does, and nothing has to
    be done. Otherwise the request is refused."""


class Outcomes(msgspec.Struct, frozen=True):
    """Access requests by what becomes of them."""

    granted: tuple[AccessRequest, ...] = ()
    """Those that close a target, which allow no source, among them."""
    refused: tuple[Problem, ...] = ()
    pending: tuple[Problem, ...] = ()
    """About targets that do not exist yet: nothing is created, and nothing has to be done."""


def objections(
    requests: Iterable[AccessRequest],
    cluster: Cluster,
    *,
    namespace: str,
    app: str,
    trusted: Collection[str] = (),
) -> dict[AccessRequest, Objection]:
    """Return the requests that are not granted, with the reason.

    Args:
        requests: what applications ask for.
        cluster: Services and namespaces.
        namespace: our own.
        app: our own application, whose option `trusted-requesters` an operator may set.
        trusted: applications of our model that may ask for access to others of the model.
    """
    ownership = Ownership(
        namespace=namespace,
        model_namespaces=cluster.model_namespaces,
        deployed=made_by_juju(cluster.services),
        trusted=trusted,
    )
    found = ((request, _objection(request, cluster, ownership, app)) for request in requests)
    return {request: objection for request, objection in found if objection}


def outcomes(
    requests: Iterable[AccessRequest], objections: Mapping[AccessRequest, Objection]
) -> Outcomes:
    """Return the requests by what becomes of them.

    Where a requester got a policy before and may not have it any more, or the target is gone, the
    target is closed: without a policy it, or one that comes back, would be open to all clients.
    A refused request of any other application never closes a target, which belongs to another.

    Args:
        requests: what applications ask for.
        objections: to them, as `objections` returns them.
    """
    granted: list[AccessRequest] = []
    refused: list[Problem] = []
    pending: list[Problem] = []
    for request in requests:
        # Mostly there are none: to look for a request costs more than all else here.
        objection = objections.get(request) if objections else None
        if objection is None:
            granted.append(request)
            continue
        if closes_target(request, objection):
            granted.append(msgspec.structs.replace(request, source=None, operations=()))
        if request.source is not None:
            message, remedy = objection.message, objection.remedy
            problem = request.requester.problem(objection.code, request.field, message, remedy)
            (pending if objection.pending else refused).append(problem)
    return Outcomes(tuple(granted), tuple(refused), tuple(pending))


def closes_target(request: AccessRequest, objection: Objection) -> bool:
    """Return whether a target is closed by a request that is not granted.

    Of a target that does not exist, no other application depends on being open.
    """
    if request.established is None:
        return objection.pending
    return request.established


def targets_of(app: str, cluster: Cluster, namespace: str) -> Iterator[Target]:
    """Yield the targets that belong to an application: its Services, and all of its pods."""
    for service in cluster.services.values():
        if service.namespace == namespace and service.selector.get(_requests.NAME_LABEL) == app:
            yield Target.service(namespace, service.name)
    for key in _OWNER_LABELS[TargetKind.WORKLOAD]:
        yield Target.workload(namespace, {key: app})


_OWNER_LABELS = {
    TargetKind.SERVICE: (_requests.NAME_LABEL,),
    TargetKind.WORKLOAD: (_requests.NAME_LABEL, PART_OF_LABEL),
}
"""Labels whose values name the applications that a target belongs to."""


def _objection(
    request: AccessRequest, cluster: Cluster, ownership: Ownership, app: str
) -> Objection | None:
    target, requester = request.target, request.requester
    labels = _labels(target, cluster)
    owners = {labels[key] for key in _OWNER_LABELS[target.kind] if labels and key in labels}
    match ownership.refusal(requester, target.namespace, owners, request.target_app):
        case Refusal.UNKNOWN_MODEL:
            return Objection(
                Code.UNKNOWN_MODEL,
                "comes from a model that no namespace of this cluster is marked with",
                "integrate within one cluster, where Juju marks namespaces with model.juju.is/id",
            )
        case Refusal.OTHER_MODEL:
            return Objection(
                Code.OUTSIDE_ITS_MODEL,
                f"asks for {target}, outside its own model",
                f"ask for access to itself, in namespace {ownership.home(requester)}",
            )
        case _ if labels is None:
            return Objection(Code.TARGET_ABSENT, f"{target} does not exist yet", pending=True)
        case None:
            return None
        case Refusal.NOT_DEPLOYED:
            return Objection(
                Code.NOT_DEPLOYED,
                f"asks for {target}, which belongs to no application that Juju deployed there",
                "ask for access to itself, by the name it has in its own model",
            )
        case _:
            message = f"asks for {target}, which is not its own; {_own(target, requester)}"
            names = ",".join(sorted({*ownership.trusted, requester.app}))
            remedy = f"if you trust it: juju config {app} trusted-requesters={names}"
            return Objection(Code.NOT_ITS_OWN, message, remedy)


def _labels(target: Target, cluster: Cluster) -> Mapping[str, str] | None:
    """Return the labels that pods of the target have; None: there is no such Service (yet)."""
    if target.kind is TargetKind.WORKLOAD:
        return dict(target.labels)
    service = cluster.services.get((target.namespace, target.name))
    return None if service is None else service.selector


def _own(target: Target, requester: Requester) -> str:
    labels = " or ".join(_OWNER_LABELS[target.kind])
    if target.kind is TargetKind.SERVICE:
        return f"its own Services have {labels}: {requester.app} in their selector"
    return f"its own pods have {labels}: {requester.app}"
