# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which proxies stand between a client and a target, and which policies each of them applies.

As istiod tells ztunnels and waypoints (istio.io/istio, pilot/pkg/serviceregistry/ambient).
"""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from istio_ambient import gateways, kube
from istio_ambient.authorization import hardened_mode
from istio_ambient.authorization.evaluator import _manifest, _policies, _ztunnel
from istio_ambient.authorization.evaluator._policies import Check, Policy, Reference, Rule
from istio_ambient.authorization.evaluator._request import Target
from istio_ambient.authorization.evaluator._snapshot import Manifest, Snapshot
from istio_ambient.authorization.evaluator._verdict import PolicyRef

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
MANAGED_LABEL = "gateway.istio.io/managed"
WAYPOINT_FOR = "istio.io/waypoint-for"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
OF_SINGLE_PODS = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
_MESH_CONTROLLERS = ("istio.io-mesh-controller", "istio.io-eastwest-controller")


Mark = tuple[str, str, str]
"""Namespace, name and value of a label."""


@dataclasses.dataclass(frozen=True)
class Waypoint:
    """A Gateway that is a waypoint and has an address."""

    namespace: str
    name: str
    traffic: str
    """`service`, `workload`, `all` or `none`."""
    accounts: tuple[str, ...]
    """The ServiceAccounts of its pods."""
    addresses: tuple[str, ...]
    """Of its pods."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Its identities, `<namespace>/<service account>`."""
        return tuple(f"{self.namespace}/{account}" for account in self.accounts)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Topology:
    """A snapshot, indexed."""

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot
        self.namespaces = {
            _manifest.name(each): _manifest.labels(each) for each in snapshot.namespaces
        }
        self.services = {_manifest.key(each): each for each in snapshot.services}
        self.pods = {_manifest.key(each): each for each in snapshot.pods if _lives(each)}
        self.gateways = {_manifest.key(each): each for each in snapshot.gateways}
        self.policies = [p for each in snapshot.policies if (p := _policies.read(each))]
        # Indexed, or the work would grow with the square of the cluster.
        self._labelled: dict[Mark, list[Manifest]] = collections.defaultdict(list)
        self._selecting: dict[Mark, list[Manifest]] = collections.defaultdict(list)
        self._applications: dict[_manifest.Name, list[Manifest]] = collections.defaultdict(list)
        for (where, _), pod in self.pods.items():
            self._applications[where, application(pod)].append(pod)
            for label, value in _manifest.labels(pod).items():
                self._labelled[where, label, value].append(pod)
        for (where, _), service in self.services.items():
            for label, value in sorted(_selector(service).items())[:1]:
                self._selecting[where, label, value].append(service)
        self._waypoints: dict[_manifest.Name, tuple[Waypoint | None, str]] = {}

    def on_mesh(self, pod: Manifest) -> bool:
        """Return whether ztunnel stands before a pod."""
        mode = gateways.DATAPLANE_MODE
        inherited = self.namespaces.get(_manifest.namespace(pod), {}).get(mode)
        ambient = _manifest.labels(pod).get(mode, inherited) == "ambient"
        return ambient and not _manifest.spec(pod).get("hostNetwork")

    def pods_of(self, service: Manifest) -> list[Manifest]:
        """Return the pods behind a Service."""
        where = _manifest.namespace(service)
        return [
            pod
            for label, value in sorted(_selector(service).items())[:1]
            for pod in self._labelled.get((where, label, value), ())
            if _manifest.selects(service, pod)
        ]

    def pods_of_application(self, target: Target) -> list[Manifest]:
        """Return the pods of an application."""
        return self._applications.get((target.namespace, target.name), [])

    def services_of(self, pod: Manifest) -> list[Manifest]:
        """Return the Services that a pod is behind."""
        where = _manifest.namespace(pod)
        return [
            service
            for label, value in _manifest.labels(pod).items()
            for service in self._selecting.get((where, label, value), ())
            if _manifest.selects(service, pod)
        ]

    def service_waypoint(self, service: Manifest) -> tuple[Waypoint | None, str]:
        """Return the waypoint before a Service, and else what is in the way, if anything is."""
        key = _manifest.key(service)
        if key not in self._waypoints:
            self._waypoints[key] = self._service_waypoint(service)
        return self._waypoints[key]

    def _service_waypoint(self, service: Manifest) -> tuple[Waypoint | None, str]:
        if _manifest.labels(service).get(MANAGED_LABEL) in _MESH_CONTROLLERS:
            return None, ""
        found, note = self._named_waypoint(service)
        if found and found.traffic not in ("service", "all"):
            return None, f"waypoint {found} is not for Services"
        return found, note

    def pod_waypoint(self, pod: Manifest) -> Waypoint | None:
        """Return the waypoint before a pod that is asked by its own address."""
        found, _ = self._named_waypoint(pod)
        return found if found and found.traffic in ("workload", "all") else None

    def _named_waypoint(self, labelled: Manifest) -> tuple[Waypoint | None, str]:
        where = _manifest.namespace(labelled)
        for marks in (_manifest.labels(labelled), self.namespaces.get(where, {})):
            if gateways.USE_WAYPOINT not in marks:
                continue
            called = marks[gateways.USE_WAYPOINT]
            if called == "none":
                return None, ""
            wanted = marks.get(gateways.USE_WAYPOINT_NAMESPACE, where), called
            gateway = self.gateways.get(wanted)
            if not gateway or not kube.items(kube.section(gateway, "status"), "addresses"):
                return None, f"waypoint {'/'.join(wanted)} is not there, so it is passed by"
            if not self._takes(gateway, where):
                return None, f"waypoint {'/'.join(wanted)} is not for namespace {where}"
            return self._waypoint(gateway), ""
        return None, ""

    def _takes(self, gateway: Manifest, where: str) -> bool:
        """Return whether a waypoint's listener allows Services of a namespace."""
        for listener in kube.items(_manifest.spec(gateway), "listeners"):
            if (listener.get("protocol"), listener.get("port")) == ("HBONE", 15008):
                allowed = kube.section(kube.section(listener, "allowedRoutes"), "namespaces")
                if allowed.get("from") == "Selector":
                    wanted = kube.section(allowed, "selector")
                    return _matches(wanted, self.namespaces.get(where, {}))
                return allowed.get("from") == "All" or where == _manifest.namespace(gateway)
        return where == _manifest.namespace(gateway)

    def _waypoint(self, gateway: Manifest) -> Waypoint:
        where, name = _manifest.key(gateway)
        pods = self._labelled.get((where, GATEWAY_LABEL, name), [])
        accounts = {str(_manifest.spec(pod).get("serviceAccountName", "default")) for pod in pods}
        addresses = {_manifest.address(pod) for pod in pods}
        return Waypoint(
            _manifest.namespace(gateway),
            _manifest.name(gateway),
            _manifest.labels(gateway).get(WAYPOINT_FOR, "service"),
            # Without pods to be seen: as istiod names what it makes for a waypoint.
            tuple(sorted(accounts)) or (_manifest.name(gateway),),
            tuple(sorted(each for each in addresses if each)),
        )

    def passes_waypoint_by(self, source: str | None, service: Manifest) -> str:
        """Return why a client is not led through a Service's waypoint; empty: it is."""
        if source is None:
            return "a client outside of the mesh passes the waypoint by"
        if self.is_headless(service):
            return "a headless Service is asked by its pods' addresses, past the waypoint"
        inherited = self.namespaces.get(_manifest.namespace(service), {}).get(
            INGRESS_USE_WAYPOINT, ""
        )
        led = _manifest.labels(service).get(INGRESS_USE_WAYPOINT, inherited).lower() == "true"
        if not led and source in self._ingress_gateways:
            return "an ingress gateway passes the waypoint by"
        return ""

    def is_headless(self, service: Manifest) -> bool:
        """Return whether a Service has no address of its own."""
        return _manifest.spec(service).get("clusterIP") == "None"

    @functools.cached_property
    def _ingress_gateways(self) -> set[str]:
        """Return the identities of gateways that are no waypoints."""
        return {
            f"{_manifest.namespace(each)}/{_manifest.name(each)}-{_manifest.spec(each).get('gatewayClassName')}"
            for each in self.gateways.values()
            if _manifest.spec(each).get("gatewayClassName") != hardened_mode.WAYPOINT_CLASS
        }

    def pods_of_identity(self, source: str) -> list[Manifest]:
        """Return the pods that run as `<namespace>/<service account>`."""
        where, _, account = source.partition("/")
        return [
            pod
            for pod in self.pods.values()
            if _manifest.namespace(pod) == where
            and _manifest.spec(pod).get("serviceAccountName", "default") == account
        ]

    def is_off_mesh(self, source: str) -> bool:
        """Return whether an identity's pods run, and none of them has a ztunnel to show it."""
        pods = self.pods_of_identity(source)
        gateways = any(GATEWAY_LABEL in _manifest.labels(pod) for pod in pods)
        return bool(pods) and not gateways and not any(map(self.on_mesh, pods))

    def policies_about(self, service: Manifest) -> list[Policy]:
        """Return the policies that target a Service, whether or not it has a waypoint."""
        where, name = _manifest.key(service)
        about = ("core", "Service", name)
        return [
            policy
            for policy in self.policies
            if policy.ref.namespace == where
            and any((ref.group, ref.kind, ref.name) == about for ref in policy.targets)
        ]

    def policies_at_waypoint(self, waypoint: Waypoint, service: Manifest | None) -> list[Policy]:
        """Return the policies that a waypoint applies, for a Service or (None) for pods."""
        root = self.snapshot.root_namespace
        applied = {(root, _policies.GATEWAY_API, "GatewayClass", hardened_mode.WAYPOINT_CLASS)}
        if service is not None:
            applied.add((_manifest.namespace(service), "core", "Service", _manifest.name(service)))
        own = (waypoint.namespace, _policies.GATEWAY_API, "Gateway", waypoint.name)

        def names(ref: Reference, where: str) -> bool:
            what = (where, ref.group, ref.kind, ref.name)
            return what in applied or (what == own and ref.namespace in ("", where))

        return [
            self._answered(policy)
            for policy in self.policies
            if any(names(ref, policy.ref.namespace) for ref in policy.targets)
        ]

    def policies_at_gateway(self, namespace: str, name: str) -> list[Policy]:
        """Return the policies that an ingress gateway applies.

        Unlike waypoints, gateways apply policies without a target too, of their own namespace and
        of the root namespace; a selector is held against the labels that istiod gives its pods.
        """
        marks = {GATEWAY_LABEL: name}
        for pod in self.pods.values():
            if _manifest.namespace(pod) == namespace:
                labelled = _manifest.labels(pod)
                marks = labelled if labelled.get(GATEWAY_LABEL) == name else marks

        def applies(policy: Policy) -> bool:
            where = policy.ref.namespace
            if not policy.targets:
                near = where in (namespace, self.snapshot.root_namespace)
                return near and (policy.selector or {}).items() <= marks.items()
            own = (_policies.GATEWAY_API, "Gateway", name)
            return where == namespace and any(
                (ref.group, ref.kind, ref.name) == own and ref.namespace in ("", where)
                for ref in policy.targets
            )

        return [self._answered(policy) for policy in self.policies if applies(policy)]

    def _answered(self, policy: Policy) -> Policy:
        """Return a policy as it acts: what nobody can be asked about is denied."""
        known = self.snapshot.authorizers
        custom = policy.action == _policies.CUSTOM
        if not custom or known is None or policy.authorizer in known:
            return policy
        return dataclasses.replace(policy, action=_policies.DENY)

    def policies_at_ztunnel(self, pod: Manifest) -> list[Policy]:
        """Return the policies that ztunnel applies at a pod, with istiod's own for waypoints."""
        places = (_manifest.namespace(pod), self.snapshot.root_namespace)
        return [
            *(
                policy
                for policy in self.policies
                if _ztunnel.applies(policy)
                and policy.ref.namespace in places
                and _is_about(policy.selector, _manifest.labels(pod))
            ),
            *self._synthetic(pod),
        ]

    def _synthetic(self, pod: Manifest) -> Iterator[Policy]:
        """Yield what PILOT_AUTO_ALLOW_WAYPOINT_POLICY makes for the waypoints before a pod."""
        if not self.snapshot.auto_allow:
            return
        before = [self.service_waypoint(service)[0] for service in self.services_of(pod)]
        for waypoint in dict.fromkeys([*before, self.pod_waypoint(pod)]):
            if waypoint:
                called = f"istio_allow_waypoint_{waypoint.namespace}_{waypoint.name}"
                values = tuple(
                    f"cluster.local/ns/{waypoint.namespace}/sa/{account}"
                    for account in waypoint.accounts
                )
                rule = Rule(sources=((Check(_policies.PRINCIPAL, values),),))
                ref = PolicyRef(waypoint.namespace, called, synthetic=True)
                yield Policy(ref, _policies.ALLOW, (rule,))


def application(pod: Manifest) -> str:
    """Return the application that a pod belongs to."""
    marks = _manifest.labels(pod)
    owners = kube.items(pod["metadata"], "ownerReferences")
    return (
        marks.get("app.kubernetes.io/name")
        or marks.get("app")
        or (owners[0]["name"] if owners else _manifest.name(pod))
    )


def workloads(pods: Iterable[Manifest]) -> list[list[Manifest]]:
    """Return the pods in groups that policies cannot tell apart, in a stable order."""
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Manifest]] = {}
    for pod in pods:
        lasting = sorted(
            (k, v) for k, v in _manifest.labels(pod).items() if k not in OF_SINGLE_PODS
        )
        groups.setdefault((_manifest.namespace(pod), application(pod), tuple(lasting)), []).append(
            pod
        )
    return [sorted(groups[group], key=_manifest.name) for group in sorted(groups)]


def _selector(service: Manifest) -> dict[str, str]:
    return kube.section(_manifest.spec(service), "selector")


def _lives(pod: Manifest) -> bool:
    return kube.section(pod, "status").get("phase") not in ("Succeeded", "Failed")


def _is_about(selector: Mapping[str, str] | None, marks: Mapping[str, str]) -> bool:
    """Return whether ztunnel applies a policy at a pod; an empty selector matches no pod."""
    return selector is None or (bool(selector) and selector.items() <= marks.items())


def _matches(selector: Mapping[str, Any], marks: Mapping[str, str]) -> bool:
    """Match a label selector; see the Kubernetes API's LabelSelector."""
    if not kube.section(selector, "matchLabels").items() <= marks.items():
        return False
    return all(_fulfils(each, marks) for each in kube.items(selector, "matchExpressions"))


def _fulfils(expression: Mapping[str, Any], marks: Mapping[str, str]) -> bool:
    there = expression["key"] in marks
    values: list[str] = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return there and marks[expression["key"]] in values
        case "NotIn":
            return not there or marks[expression["key"]] not in values
        case "Exists":
            return there
        case _:
            return not there
