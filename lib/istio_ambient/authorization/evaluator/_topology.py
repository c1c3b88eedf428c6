# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The proxies between a client and a destination, and the policies that each of them enforces.

They follow from live objects as istiod computes them for ztunnels and waypoints (istio.io/istio,
pilot/pkg/serviceregistry/ambient).
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from istio_ambient import gateways, kube, resources
from istio_ambient.authorization.evaluator import (
    _custom,
    _peer_authentication,
    _policies,
    _request,
    _snapshot,
    _ztunnel,
)
from istio_ambient.authorization.evaluator._policies import Check, Policy, Reference, Rule
from istio_ambient.authorization.evaluator._request import Destination
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._verdict import PolicyRef
from istio_ambient.authorization.evaluator._waypoints import Waypoint, Waypoints
from istio_ambient.authorization.evaluator._workloads import application, workloads

REDIRECTION = "ambient.istio.io/redirection"
"""Annotation by which istio-cni says that it redirects the traffic of a pod to ztunnel."""


LabelKey = tuple[str, str, str]
"""Namespace, name and value of a label."""


class Topology:
    """A snapshot, indexed by what the evaluator looks up.

    Without the indexes, the work would grow with the square of the cluster.
    """

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot
        self.namespaces = {
            _snapshot.name(each): _snapshot.labels(each) for each in snapshot.namespaces
        }
        self.services = {_snapshot.key(each): each for each in snapshot.services}
        self.pods = {_snapshot.key(each): each for each in snapshot.pods if _is_running(each)}
        self.gateways = {_snapshot.key(each): each for each in snapshot.gateways}
        self.policies = [p for each in snapshot.policies if (p := _policies.read(each))]
        self._labelled: dict[LabelKey, list[Manifest]] = collections.defaultdict(list)
        self._selecting: dict[LabelKey, list[Manifest]] = collections.defaultdict(list)
        self._applications: dict[_snapshot.Name, list[Manifest]] = collections.defaultdict(list)
        for (where, _), pod in self.pods.items():
            self._applications[where, application(pod)].append(pod)
            for label, value in _snapshot.labels(pod).items():
                self._labelled[where, label, value].append(pod)
        for (where, _), service in self.services.items():
            for label, value in sorted(_selector(service).items())[:1]:
                self._selecting[where, label, value].append(service)
        self._waypoints = Waypoints(
            self.gateways,
            self.namespaces,
            lambda where, gateway: self._labelled.get((where, gateways.NAME_LABEL, gateway), ()),
        )
        self._at_waypoints: dict[tuple[Waypoint, _snapshot.Name | None, bool], list[Policy]] = {}
        self._at_ztunnels: dict[_snapshot.Name, list[Policy]] = {}

    def on_mesh(self, pod: Manifest) -> bool:
        """Return whether a pod is on the mesh, so that ztunnel carries its traffic.

        istio-cni says so in an annotation, which istiod and all proxies go by. The labels are
        what is wanted, and decide here about a pod that has not started.
        """
        if _snapshot.spec(pod).get("hostNetwork"):
            return False
        if REDIRECTION in _snapshot.annotations(pod):
            return _snapshot.annotations(pod)[REDIRECTION] == "enabled"
        is_pending = kube.section(pod, "status").get("phase") == "Pending"
        return is_pending and self._is_labelled(pod)

    def is_guarded(self, pod: Manifest, *, in_plain_text: bool) -> bool:
        """Return whether ztunnel decides about connections to a pod.

        Args:
            pod: the pod.
            in_plain_text: whether no proxy of the mesh makes them.
        """
        return self.on_mesh(pod) and not (in_plain_text and _snapshot.is_bypassing(pod))

    def is_uncaptured(self, pod: Manifest) -> bool:
        """Return whether a pod is off the mesh, though its labels want it on the mesh."""
        return self._is_labelled(pod) and not self.on_mesh(pod)

    def _is_labelled(self, pod: Manifest) -> bool:
        mode = resources.DATAPLANE_MODE
        inherited = self.namespaces.get(_snapshot.namespace(pod), {}).get(mode)
        return _snapshot.labels(pod).get(mode, inherited) == "ambient"

    def groups_on_mesh(self, pods: Iterable[Manifest]) -> list[list[Manifest]]:
        """Return those pods that are on the mesh, as `workloads` does."""
        return workloads(filter(self.on_mesh, pods))

    def pods_of(self, service: Manifest) -> list[Manifest]:
        """Return the pods that a Service selects."""
        where = _snapshot.namespace(service)
        return [
            pod
            for label, value in sorted(_selector(service).items())[:1]
            for pod in self._labelled.get((where, label, value), ())
            if _snapshot.selects(service, pod)
        ]

    def pods_of_application(self, destination: Destination) -> list[Manifest]:
        """Return the pods of an application, a destination of kind WORKLOAD."""
        return self._applications.get((destination.namespace, destination.name), [])

    def services_of(self, pod: Manifest) -> list[Manifest]:
        """Return the Services that select a pod."""
        where = _snapshot.namespace(pod)
        return [
            service
            for label, value in _snapshot.labels(pod).items()
            for service in self._selecting.get((where, label, value), ())
            if _snapshot.selects(service, pod)
        ]

    def service_waypoint(self, service: Manifest) -> tuple[Waypoint | None, str]:
        """See `Waypoints.of_service`."""
        return self._waypoints.of_service(service)

    def pod_waypoint(self, pod: Manifest) -> Waypoint | None:
        """See `Waypoints.of_pod`."""
        return self._waypoints.of_pod(pod)

    def waypoint_bypass(self, service: Manifest, *, by_gateway: bool) -> str:
        """Return why a client with an identity bypasses a Service's waypoint; empty: it does not.

        Args:
            service: the Service.
            by_gateway: whether the client is an ingress gateway.
        """
        if self.is_headless(service):
            return "requests to a headless Service go to its pods and bypass the waypoint"
        namespace = self.namespaces.get(_snapshot.namespace(service), {})
        passes = gateways.passes_waypoint(_snapshot.labels(service), namespace)
        if by_gateway and not passes:
            return "requests of an ingress gateway bypass the waypoint"
        return ""

    def is_headless(self, service: Manifest) -> bool:
        """Return whether a Service has no address of its own."""
        return _snapshot.spec(service).get("clusterIP") == "None"

    def is_ingress_gateway(self, source: str) -> bool:
        """Return whether an ingress gateway runs as an identity."""
        return source in self.ingress_gateways

    @functools.cached_property
    def ingress_gateways(self) -> set[str]:
        """Identities of the gateways that are no waypoints."""
        return {
            f"{namespace}/{name}-{_snapshot.spec(gateway).get('gatewayClassName')}"
            for (namespace, name), gateway in self.gateways.items()
            if not gateways.is_waypoint(gateway)
        }

    @functools.cached_property
    def waypoint_identities(self) -> set[str]:
        """Identities of the waypoints."""
        return {
            source
            for gateway in filter(gateways.is_waypoint, self.gateways.values())
            for found in [self._waypoints.of_gateway(gateway)]
            for source in (found.source, *found.sources)
        }

    def pods_of_identity(self, source: str) -> list[Manifest]:
        """Return the pods that run as `<namespace>/<service account>`."""
        return self._by_identity.get(source, [])

    @functools.cached_property
    def _by_identity(self) -> dict[str, list[Manifest]]:
        found: dict[str, list[Manifest]] = {}
        for pod in self.pods.values():
            found.setdefault(_snapshot.identity(pod), []).append(pod)
        return found

    def is_off_mesh(self, source: str) -> bool:
        """Return whether pods run with an identity, and ztunnel proves it for none of them."""
        pods = self.pods_of_identity(source)
        has_gateway = any(gateways.NAME_LABEL in _snapshot.labels(pod) for pod in pods)
        return bool(pods) and not has_gateway and not any(map(self.on_mesh, pods))

    def policies_about(self, service: Manifest) -> list[Policy]:
        """Return the policies that name a Service in `targetRefs`, with or without a waypoint."""
        where, name = _snapshot.key(service)
        own = ("core", "Service", name)
        return [
            policy
            for policy in self.policies
            if policy.ref.namespace == where
            and any((ref.group, ref.kind, ref.name) == own for ref in policy.targets)
        ]

    def policies_at_waypoint(
        self, waypoint: Waypoint, service: Manifest | None, *, http: bool = True
    ) -> list[Policy]:
        """Return the policies that a waypoint enforces for a Service, or for pods (None).

        On a port that is not HTTP there are fewer of them, and none that HTTP ports do not have.
        """
        key = waypoint, _snapshot.key(service) if service is not None else None, http
        if key not in self._at_waypoints:
            named = self._named_at_waypoint(waypoint, service)
            found = (each for each in self.policies if named(each.targets, each.ref.namespace))
            self._at_waypoints[key] = _custom.enforced(found, self.snapshot.mesh, http=http)
        return list(self._at_waypoints[key])

    def authentications_at_waypoint(
        self, waypoint: Waypoint, service: Manifest | None
    ) -> list[Manifest]:
        """Return the RequestAuthentications of a waypoint for a Service, or for pods (None)."""
        named = self._named_at_waypoint(waypoint, service)
        return [
            each
            for each in self.snapshot.request_authentications
            if named(_policies.references(_snapshot.spec(each)), _snapshot.namespace(each))
        ]

    def _named_at_waypoint(
        self, waypoint: Waypoint, service: Manifest | None
    ) -> Callable[[Sequence[Reference], str], bool]:
        """Return the function that says whether an object, by its targets, is about these."""
        root = self.snapshot.root_namespace
        applied = {(root, _policies.GATEWAY_API, "GatewayClass", gateways.WAYPOINT_CLASS)}
        if service is not None:
            applied.add((_snapshot.namespace(service), "core", "Service", _snapshot.name(service)))
        own = (waypoint.namespace, _policies.GATEWAY_API, "Gateway", waypoint.name)

        def named(targets: Sequence[Reference], where: str) -> bool:
            found = ((where, ref.group, ref.kind, ref.name, ref.namespace) for ref in targets)
            return any(
                what in applied or (what == own and namespace in ("", where))
                for *key, namespace in found
                for what in [tuple(key)]
            )

        return named

    def policies_at_gateway(self, namespace: str, name: str) -> list[Policy]:
        """Return the policies that an ingress gateway enforces.

        Unlike waypoints, gateways also enforce policies without a target, of their own namespace
        and of the root namespace. A selector is compared with the labels of the gateway's pods.
        """
        applies = self._applies_at_gateway(namespace, name)
        found = (
            policy
            for policy in self.policies
            if applies(policy.targets, policy.ref.namespace, policy.selector or {})
        )
        return _custom.enforced(found, self.snapshot.mesh, http=True)

    def authentications_at_gateway(self, namespace: str, name: str) -> list[Manifest]:
        """Return the RequestAuthentications of an ingress gateway."""
        applies = self._applies_at_gateway(namespace, name)
        return [
            each
            for each in self.snapshot.request_authentications
            if applies(
                _policies.references(_snapshot.spec(each)),
                _snapshot.namespace(each),
                kube.section(kube.section(_snapshot.spec(each), "selector"), "matchLabels"),
            )
        ]

    def _applies_at_gateway(
        self, namespace: str, name: str
    ) -> Callable[[Sequence[Reference], str, Mapping[str, str]], bool]:
        """Return the function that says whether targets, or a selector, are this gateway."""
        labels = {gateways.NAME_LABEL: name}
        for pod in self.pods.values():
            if _snapshot.namespace(pod) == namespace:
                found = _snapshot.labels(pod)
                labels = found if found.get(gateways.NAME_LABEL) == name else labels
        own = (_policies.GATEWAY_API, "Gateway", name)

        def applies(targets: Sequence[Reference], where: str, selector: Mapping[str, str]) -> bool:
            if not targets:
                near = where in (namespace, self.snapshot.root_namespace)
                return near and selector.items() <= labels.items()
            return where == namespace and any(
                (ref.group, ref.kind, ref.name) == own and ref.namespace in ("", where)
                for ref in targets
            )

        return applies

    def policies_at_ztunnel(self, pod: Manifest) -> list[Policy]:
        """Return the policies that ztunnel enforces at a pod, with those that istiod generates."""
        key = _snapshot.key(pod)
        if key not in self._at_ztunnels:
            self._at_ztunnels[key] = self._policies_at_ztunnel(pod)
        return list(self._at_ztunnels[key])

    def _policies_at_ztunnel(self, pod: Manifest) -> list[Policy]:
        namespaces = (_snapshot.namespace(pod), self.snapshot.root_namespace)
        return [
            *(
                policy
                for policy in self.policies
                if _ztunnel.applies(policy)
                and policy.ref.namespace in namespaces
                and _selects(policy.selector, _snapshot.labels(pod))
            ),
            *_peer_authentication.policies(
                pod, self._peer_authentications, self.snapshot.root_namespace
            ),
            *self._synthetic(pod),
        ]

    @functools.cached_property
    def _peer_authentications(self) -> dict[str, list[Manifest]]:
        """PeerAuthentications by namespace."""
        found: dict[str, list[Manifest]] = collections.defaultdict(list)
        for each in self.snapshot.peer_authentications:
            found[_snapshot.namespace(each)].append(each)
        return found

    def _synthetic(self, pod: Manifest) -> Iterator[Policy]:
        """Yield the policies of PILOT_AUTO_ALLOW_WAYPOINT_POLICY for the waypoints of a pod."""
        if not self.snapshot.auto_allow:
            return
        waypoints = [self.service_waypoint(service)[0] for service in self.services_of(pod)]
        for waypoint in dict.fromkeys([*waypoints, self.pod_waypoint(pod)]):
            if waypoint and waypoint.sources:
                name = f"istio_allow_waypoint_{waypoint.namespace}_{waypoint.name}"
                domain = self.snapshot.mesh.trust_domain
                principals = tuple(
                    str(_request.principal(each, domain)) for each in waypoint.sources
                )
                rule = Rule(sources=((Check(_policies.PRINCIPAL, principals),),))
                ref = PolicyRef(waypoint.namespace, name, synthetic=True)
                yield Policy(ref, _policies.ALLOW, (rule,))


def _selector(service: Manifest) -> dict[str, str]:
    return kube.section(_snapshot.spec(service), "selector")


def _is_running(pod: Manifest) -> bool:
    return kube.section(pod, "status").get("phase") not in ("Succeeded", "Failed")


def _selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Return whether ztunnel applies a selector to labels; an empty selector matches no pod."""
    return selector is None or (bool(selector) and selector.items() <= labels.items())
