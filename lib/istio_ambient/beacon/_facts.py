# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The facts of one hook of istio-beacon-k8s, and what follows from them directly."""

import functools
from collections.abc import Iterable, Mapping

import msgspec

from istio_ambient import authorization, gateways, kube
from istio_ambient.beacon._config import Config
from istio_ambient.beacon._exposures import IngressFacts
from istio_ambient.beacon._exposures import requests as gateway_requests
from istio_ambient.beacon._extra_requests import OPTION, ExtraRequests, requests
from istio_ambient.values import shares
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem

MAX_WATCHED = 16
"""Addresses that one unit tries to connect to."""


class Facts(msgspec.Struct, frozen=True, dict=True):
    """Options, databags and the state of the cluster, as one hook has read them."""

    model: str
    app: str
    replicas: int
    pod_labels: Mapping[str, str]
    """Labels for the waypoint's pods."""
    cluster: authorization.Cluster
    requests: tuple[authorization.AccessRequest, ...] = ()
    """Access requests of applications, which are granted for what belongs to them."""
    own_requests: tuple[authorization.AccessRequest, ...] = ()
    """Access requests of the charm itself, which are always granted."""
    ingress: IngressFacts = msgspec.field(default_factory=IngressFacts)
    """What ingress gateways may reach; read where their requests pass the waypoint."""
    admitted: bool = True
    """Whether an earlier hook has written what gateways need at the waypoint; see `admits`."""
    established_extra: frozenset[authorization.Target] = frozenset()
    """Targets whose policies in the cluster the option `extra-access` may have a part in."""
    requesters: frozenset[authorization.Requester] = frozenset()
    """The applications that are related over `service-mesh`."""
    config: Config = msgspec.field(default_factory=Config)
    trust_domains: tuple[str, ...] = authorization.DEFAULT_TRUST_DOMAINS
    """That of the mesh, and its aliases: policies name identities in each of them."""
    problems: tuple[Problem, ...] = ()
    """Problems of databags; those of options are in `config`."""
    pending: tuple[Problem, ...] = ()
    """Entries of databags that cannot be granted yet."""

    @property
    def waypoint(self) -> str:
        """Name of our waypoint."""
        return gateways.waypoint_name(self.model, self.app)

    @property
    def route_namespaces(self) -> frozenset[str]:
        """Other namespaces whose Services may use the waypoint.

        Those of the models of related applications, which are asked to label their Services so,
        and those that the operator names. Without them istiod ignores the labels: no waypoint
        would enforce the policies for these Services.
        """
        known = self.cluster.model_namespaces
        related = (known.get(requester.model_uuid) for requester in self.requesters)
        return frozenset({*filter(None, related), *self.config.route_namespaces})

    @property
    def published_labels(self) -> dict[str, str]:
        """Labels that related applications are asked to set on their pods and Services.

        Empty where the namespace has labels of ours that do the same. Where the namespace has
        labels of another owner, applications need their own: otherwise another waypoint, or none,
        would decide about requests to them.
        """
        _, obstacles = self.namespace_labels()
        return {} if self.config.model_on_mesh and not obstacles else self.member_labels

    @property
    def member_labels(self) -> dict[str, str]:
        """Labels that put pods and Services on the mesh, behind our waypoint."""
        return gateways.member_labels(self.waypoint, self.model)

    @property
    def open_to_everyone(self) -> list[Problem]:
        """The applications that `extra-access` opens to every client, to show in the status."""
        if not self.config.manage_authorization_policies:
            return []
        return [
            problem_of_option(
                OPTION,
                InvalidValueError(f"{entry.to} is open to every client", "", f"[{number}]"),
                Code.OPEN_TO_EVERYONE,
            )
            for number, entry in self.config.extra.entries
            if entry.clients.is_unrestricted
        ]

    @functools.cached_property
    def extra(self) -> ExtraRequests:
        """What follows from the option `extra-access`, whether or not access is managed."""
        services = self.cluster.services.values()
        return requests(self.config.extra, services, self.model, self.established_extra)

    @property
    def awaits_admission(self) -> bool:
        """Whether the label waits for policies that this hook writes."""
        labels = self.cluster.namespace_labels.get(self.model, {})
        is_labelled = gateways.INGRESS_USE_WAYPOINT in labels
        return self.config.ingress_use_waypoint and not (is_labelled or self.admitted)

    def admits(self, policies: Iterable[kube.Manifest]) -> bool:
        """Return whether policies in the cluster let gateways do all that they may do now.

        Args:
            policies: ours, in JSON form.
        """
        targets = {each.target for each in self.gateway_requests}
        about = [each for each in self.outcomes.granted if each.target in targets]
        made = authorization.policies(about, model=self.model, app=self.app)
        desired = authorization.in_trust_domains(made, self.trust_domains)
        live = {each["metadata"]["name"]: each.get("spec") for each in policies}
        found = map(kube.manifest_of, desired)
        return all(live.get(each["metadata"]["name"]) == each["spec"] for each in found)

    @functools.cached_property
    def gateway_requests(self) -> tuple[authorization.AccessRequest, ...]:
        """The requests by which ingress gateways pass the waypoint; none while they bypass it."""
        if not self.gateways_pass_waypoint:
            return ()
        members = {each.app for each in self.requesters if not each.model_uuid}
        services = [
            each
            for each in self.cluster.services.values()
            if each.namespace == self.model
            and not (each.headless or each.external_name)
            and (
                self.config.model_on_mesh or each.selector.get(authorization.NAME_LABEL) in members
            )
        ]
        waypoint = authorization.Source(self.model, self.waypoint)
        found = gateway_requests(self.ingress, services, self._granted, waypoint=waypoint)
        return tuple(dict.fromkeys(found))

    @property
    def _granted(self) -> tuple[authorization.AccessRequest, ...]:
        """The requests of applications and of the operator that are granted."""
        return (*self._of_applications.granted, *self.extra.requests)

    @functools.cached_property
    def _of_applications(self) -> authorization.Outcomes:
        """The requests of applications by what becomes of them, whether or not it is managed."""
        return authorization.outcomes(self.requests, self.objections)

    @functools.cached_property
    def objections(self) -> Mapping[authorization.AccessRequest, authorization.Objection]:
        """The requests of applications that are not granted, whether or not access is managed."""
        return authorization.objections(
            self.requests,
            self.cluster,
            namespace=self.model,
            app=self.app,
            trusted=self.config.trusted_requesters,
        )

    @functools.cached_property
    def outcomes(self) -> authorization.Outcomes:
        """The requests of applications by what becomes of them; none while access is unmanaged."""
        if not self.config.manage_authorization_policies:
            return authorization.Outcomes()
        found = self._of_applications
        return msgspec.structs.replace(
            found,
            granted=(*self._granted, *self.gateway_requests),
            pending=(*self.pending, *self.extra.pending, *found.pending),
        )

    @property
    def gateways_pass_waypoint(self) -> bool:
        """Whether requests of ingress gateways pass the waypoint, or are about to.

        As long as the namespace has the label, they do. So what they need is allowed before the
        label is set, and until the label is gone.
        """
        labels = self.cluster.namespace_labels.get(self.model, {})
        return self.config.ingress_use_waypoint or gateways.passes_waypoint({}, labels)

    @property
    def message(self) -> str:
        """The text of an active status: how many applications are on the mesh."""
        if self.config.model_on_mesh:
            return "the whole model is on the mesh"
        count = len({requester.app for requester in self.requesters})
        if not count:
            return "no application is on the mesh: integrate them with service-mesh"
        return "1 application on the mesh" if count == 1 else f"{count} applications on the mesh"

    @property
    def watched(self) -> list[tuple[str, int]]:
        """Host and port of the Services that requests wait for, sorted; at most `MAX_WATCHED`.

        No event follows when another application makes one. Requests for any port are left out.
        Each application that requests gets its share.
        """
        found: dict[str, set[tuple[str, int]]] = {}
        for request, objection in self.objections.items():
            host = f"{request.target.name}.{request.target.namespace}.svc"
            ports = (port for operation in request.operations for port in operation.ports)
            if objection.pending:
                of_app = found.setdefault(request.requester.app, set())
                of_app.update((host, port) for port in ports)
        found[""] = set(self.extra.awaited)
        return shares.in_turn(found, MAX_WATCHED)

    def namespace_labels(self) -> tuple[gateways.Labels, list[Problem]]:
        """Return the labels to set on our namespace, and why some are not set.

        Those of `model-on-mesh`; `ingress_labels` has the others.
        """
        return gateways.namespace_labels(
            self.cluster.namespace_labels.get(self.model, {}),
            wanted=self.config.model_on_mesh,
            waypoint=self.waypoint,
            model=self.model,
            app=self.app,
        )

    def ingress_labels(self) -> tuple[gateways.Labels, list[Problem]]:
        """Return the labels that send requests of gateways through waypoints, and why not.

        The label is set by the hook after the one that wrote what gateways need: proxies get
        policies and routes apart, and would deny requests that come before the policy.
        """
        labels = self.cluster.namespace_labels.get(self.model, {})
        if self.awaits_admission:
            return {}, []
        return gateways.ingress_labels(
            labels,
            wanted=self.config.ingress_use_waypoint,
            model=self.model,
            app=self.app,
        )
