# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The mesh in which cases are tried: waypoints of each kind, and Services and pods as targets."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, cast

from istio_ambient import gateways, kube, resources
from istio_ambient.authorization import evaluator
from istio_ambient.cluster import istiod, mesh_snapshot
from lightkube import codecs
from lightkube.resources import apps_v1, core_v1, discovery_v1

from tests import authorization_cases, lab
from tests.lab import identity

NEAR, FAR = "truth", "truth-far"
WAYPOINT, FOR_ALL, FOR_PODS, WITHOUT_PODS = "way", "way-all", "way-pods", "way-gone"
_TRAFFIC = {WAYPOINT: "service", FOR_ALL: "all", FOR_PODS: "workload", WITHOUT_PODS: "service"}
"""What each waypoint is for, by its name."""
assert authorization_cases.ADDRESSES[1:] == lab.CLIENT_ADDRESSES
NAME = "app.kubernetes.io/name"
PLAIN = "plain"
"""In both namespaces, an application that is not on the mesh, so that no ztunnel decides."""
SERVICES = tuple((NEAR, f"s{n}") for n in range(24)) + tuple((FAR, f"s{n}") for n in range(8))
"""Of `PLAIN`, served by the waypoint."""
SERVED_BY_ALL = ((NEAR, "a0"), (NEAR, "a1"))
"""Of `PLAIN`, served by the waypoint that serves pods too."""
UNSELECTING = ((NEAR, "u0"), (NEAR, "u1"))
"""Without a selector, and served by the waypoint; the test writes the endpoints, a pod of `PLAIN`.
"""
UNSERVED = ((NEAR, "g0"), (NEAR, "g1"))
"""Of `PLAIN`; the waypoint has no pods."""
GUARDED = (*((NEAR, f"guarded{n}") for n in range(5)), (FAR, "guarded5"))
"""Applications whose pods have a ztunnel."""
BEHIND = {(NEAR, "guarded6"): FOR_ALL, (NEAR, "guarded7"): FOR_PODS}
"""Those whose pods have a waypoint too."""
BYPASSED = (NEAR, "guarded8")
"""The one whose ztunnel sees nothing of what comes in plain text."""
WITH_ZTUNNEL = (*GUARDED, *BEHIND, BYPASSED)
WITH_WAYPOINT = GUARDED[::2]
"""Those with a Service at the waypoint too; istiod then allows the waypoint at their pods."""
SENDER = "sender"
"""In each namespace of a source, `<this>-<service account>` is a pod of it, with a ztunnel."""
PERMITS, REFUSES = authorization_cases.PROVIDERS
_PARALLEL = 8
_MESH_CONFIG = "istio"
_OF_SERVICE = "kubernetes.io/service-name"
_NEUTRAL: dict[str, Any] = {
    "pathNormalization": {"normalization": "DEFAULT"},
    "trustDomainAliases": [],
}
_NOBODY = identity.ReceivedRequest("GET", "/", {})
_KINDS = (
    resources.AuthorizationPolicy,
    resources.PeerAuthentication,
    resources.RequestAuthentication,
)

Manifest = dict[str, Any]


def direct(guarded: tuple[str, str]) -> tuple[str, str]:
    """Return the Service of a guarded application that has no waypoint."""
    return guarded[0], f"direct-{guarded[1]}"


def sender(source: str) -> str:
    """Return the pod that sends as a source, `<namespace>/<service account>`."""
    where, _, account = source.partition("/")
    return f"{where}/{SENDER}-{account}-0"


def through(guarded: tuple[str, str]) -> tuple[str, str]:
    """Return the Service of a guarded application that the waypoint serves."""
    return guarded[0], f"through-{guarded[1]}"


def headless(guarded: tuple[str, str]) -> tuple[str, str]:
    """Return the Service of a guarded application that has no address of its own."""
    return guarded[0], f"headless-{guarded[1]}"


class Bed:
    """The mesh under test.

    Args:
        cluster: with istio-k8s.
        root_namespace: the model of istio-k8s.
    """

    def __init__(self, cluster: lab.Cluster, root_namespace: str):
        self.cluster = cluster
        self.root = root_namespace
        self.guarded = WITH_ZTUNNEL if cluster.has_ztunnel else ()
        self.senders = authorization_cases.SOURCES if cluster.has_ztunnel else ()
        # As untyped as lightkube's generic resources are.
        self._client: Any = cluster.client
        self._issuer = identity.Issuer(authorization_cases.ISSUER)

    @contextlib.contextmanager
    def laid_out(self) -> Generator[None]:
        """Create the mesh, and delete it at the end."""
        namespaces = {NEAR, FAR, *(source.split("/")[0] for source in authorization_cases.SOURCES)}
        try:
            self._create(_namespace(name) for name in sorted(namespaces))
            self._create(self._accounts())
            self._create(self._objects())
            for waypoint in _TRAFFIC:
                self.cluster.wait_gateway(waypoint, NEAR)
            for where, name in (*self.guarded, (NEAR, PLAIN), (FAR, PLAIN)):
                self.cluster.wait_ready(apps_v1.Deployment, name, where)
            self._create(self._endpoints())
            self._remove_pods_of_waypoint()
            for source in self.senders:
                where, _, account = source.partition("/")
                self.cluster.wait_ready(apps_v1.StatefulSet, f"{SENDER}-{account}", where)
            self.configure({})
            yield
        finally:
            for name in namespaces:
                with contextlib.suppress(Exception):
                    self._client.delete(core_v1.Namespace, name)
            self._delete_policies()

    def configure(self, mesh_config: Mapping[str, Any]) -> None:
        """Set members of the MeshConfig beside the external authorizers, and read the mesh.

        Without a hook, the charm does not write the MeshConfig again.
        """
        found = self._client.get(core_v1.ConfigMap, _MESH_CONFIG, namespace=self.root).data["mesh"]
        changed = {**json.loads(found), **_NEUTRAL, **mesh_config, **_authorizers()}
        data = {"data": {"mesh": json.dumps(changed)}}
        self._client.patch(core_v1.ConfigMap, _MESH_CONFIG, data, namespace=self.root)
        self.cluster.wait_synced(timeout=60)
        client = cast(kube.Client, self._client)
        settings = istiod.find(client)
        self._layout = mesh_snapshot.read(
            client, self.root, auto_allow=settings.auto_allow, mesh=settings.mesh
        )

    def put(self, policies: Sequence[Manifest]) -> None:
        """Replace all policies by these, and wait until every proxy has them."""
        self._delete_policies()
        _, _, keys = self._issuer.keys(_NOBODY)
        self._create(
            json.loads(
                json.dumps(each).replace(
                    json.dumps(authorization_cases.KEYS), json.dumps(keys.decode())
                )
            )
            for each in policies
        )
        self.cluster.wait_synced()

    def filled(self, text: str) -> str:
        """Return a part of a request with a valid token in place of `VALID_TOKEN`."""
        if authorization_cases.VALID_TOKEN not in text:
            return text
        _, _, token = self._issuer.bearer()["authorization"].partition(" ")
        return text.replace(authorization_cases.VALID_TOKEN, token)

    def snapshot(self, policies: Iterable[Manifest]) -> evaluator.Snapshot:
        """Return the input of the evaluator under these policies."""
        by_kind: dict[str, list[Manifest]] = collections.defaultdict(list)
        for each in policies:
            by_kind[each["kind"]].append(each)
        return dataclasses.replace(
            self._layout,
            policies=tuple(by_kind["AuthorizationPolicy"]),
            peer_authentications=tuple(by_kind["PeerAuthentication"]),
            request_authentications=tuple(by_kind["RequestAuthentication"]),
        )

    def address_of(self, source: str) -> str:
        """Return the address of the pod that sends as a source."""
        where, name = sender(source).split("/")
        pods = {evaluator.key(pod): pod for pod in self._layout.pods}
        return pods[where, name]["status"]["podIP"]

    def pod_of(self, app: tuple[str, str]) -> str:
        """Return the name of the pod of an application."""
        (pod,) = evaluator.Topology(self._layout).pods_of_application(
            evaluator.Destination.workload(*app)
        )
        return evaluator.key(pod)[1]

    @property
    def outside(self) -> str:
        """The pod that is not on the mesh, `<namespace>/<name>`."""
        return f"{NEAR}/{self.pod_of((NEAR, PLAIN))}"

    def _delete_policies(self) -> None:
        for where in (NEAR, FAR, self.root):
            for kind in _KINDS:
                self._client.deletecollection(kind, namespace=where)

    def _create(self, manifests: Iterable[Manifest]) -> None:
        with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
            created = [
                pool.submit(self._client.create, codecs.from_dict(each)) for each in manifests
            ]
            for each in created:
                each.result()

    def _accounts(self) -> Iterable[Manifest]:
        accounts = [tuple(source.split("/")) for source in authorization_cases.SOURCES]
        accounts += [(where, PLAIN) for where in (NEAR, FAR)] + list(self.guarded)
        for where, name in accounts:
            yield _object("v1", "ServiceAccount", where, name)

    def _objects(self) -> Iterable[Manifest]:
        yield from _waypoints()
        for where in (NEAR, FAR):
            yield _deployment(where, PLAIN, ambient=False)
            yield _service(where, PLAIN, PLAIN)
        yield _service(NEAR, REFUSES, "none")
        for where, name in SERVICES:
            yield _service(where, name, PLAIN, WAYPOINT)
        for where, name in SERVED_BY_ALL:
            yield _service(where, name, PLAIN, FOR_ALL)
        for where, name in UNSELECTING:
            yield _service(where, name, "", WAYPOINT)
        for where, name in UNSERVED:
            yield _service(where, name, PLAIN, WITHOUT_PODS)
        for source in self.senders:
            where, _, account = source.partition("/")
            yield _workload("StatefulSet", where, f"{SENDER}-{account}", account, ambient=True)
        for guarded in self.guarded:
            where, name = guarded
            yield _deployment(where, name, ambient=True)
            yield _service(*direct(guarded), name)
            ports = [
                {"name": f"on-{port}", "port": port} for port in authorization_cases.POD_PORTS
            ]
            yield _service(*headless(guarded), name, clusterIP="None", ports=ports)
            if guarded in WITH_WAYPOINT:
                yield _service(*through(guarded), name, WAYPOINT)

    def _remove_pods_of_waypoint(self) -> None:
        """Scale a waypoint to 0; one that never had a pod would not be taken for a waypoint."""
        patch = {"data": {"deployment": json.dumps({"spec": {"replicas": 0}})}}
        self._client.patch(core_v1.ConfigMap, WITHOUT_PODS, patch, namespace=NEAR)
        labels = {gateways.NAME_LABEL: WITHOUT_PODS}

        def are_gone() -> bool:
            return not list(self._client.list(core_v1.Pod, namespace=NEAR, labels=labels))

        lab.eventually(are_gone, timeout=60)

    def _endpoints(self) -> Iterable[Manifest]:
        """Yield the endpoints of the Services without a selector: those of `PLAIN`."""
        labels = {_OF_SERVICE: PLAIN}
        for found in self._client.list(discovery_v1.EndpointSlice, namespace=NEAR, labels=labels):
            slice_of_plain = kube.manifest_of(found)
            for where, name in UNSELECTING:
                yield _object(
                    "discovery.k8s.io/v1",
                    "EndpointSlice",
                    where,
                    name,
                    {_OF_SERVICE: name},
                    addressType="IPv4",
                    ports=slice_of_plain["ports"],
                    endpoints=slice_of_plain["endpoints"],
                )


def _object(
    version: str,
    kind: str,
    where: str,
    name: str,
    labels: dict[str, str] | None = None,
    **content: Any,
) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": labels or {}}
    if where:
        metadata["namespace"] = where
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _namespace(name: str) -> Manifest:
    return _object("v1", "Namespace", "", name)


def _waypoints() -> Iterable[Manifest]:
    yield _object("v1", "ConfigMap", NEAR, WITHOUT_PODS, data={"deployment": "{}"})
    listener = {
        "name": "mesh",
        "port": 15008,
        "protocol": "HBONE",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    parameters = {"group": "", "kind": "ConfigMap", "name": WITHOUT_PODS}
    for name, traffic in _TRAFFIC.items():
        spec: Manifest = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
        if name == WITHOUT_PODS:
            spec["infrastructure"] = {"parametersRef": parameters}
        yield _object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            NEAR,
            name,
            {"istio.io/waypoint-for": traffic},
            spec=spec,
        )


def _service(where: str, name: str, app: str, waypoint: str = "", **spec: Any) -> Manifest:
    """Return a Service; without `app`, it selects no pods."""
    waypoint_labels = {"istio.io/use-waypoint": waypoint, "istio.io/use-waypoint-namespace": NEAR}
    names = ("http-web", "tcp-web", "web", "udp-web")
    targets = authorization_cases.POD_PORTS * 2
    ports = [
        {"name": called, "port": port, "targetPort": target}
        for called, port, target in zip(
            names, authorization_cases.SERVICE_PORTS, targets, strict=True
        )
    ]
    selector = {"selector": {NAME: app}} if app else {}
    return _object(
        "v1",
        "Service",
        where,
        name,
        waypoint_labels if waypoint else None,
        spec={**selector, "ports": ports, **spec},
    )


def _authorizers() -> Manifest:
    """Return an external authorizer that allows every request, and one that answers none."""
    permits = {"service": f"{PLAIN}.{NEAR}.svc.cluster.local", "port": 80}
    refuses = {"service": f"{REFUSES}.{NEAR}.svc.cluster.local", "port": 80}
    return {
        "extensionProviders": [
            {"name": PERMITS, "envoyExtAuthzHttp": permits},
            {"name": REFUSES, "envoyExtAuthzGrpc": refuses},
        ]
    }


def _deployment(where: str, name: str, *, ambient: bool) -> Manifest:
    return _workload("Deployment", where, name, name, ambient=ambient)


def _workload(kind: str, where: str, name: str, account: str, *, ambient: bool) -> Manifest:
    mode = {"istio.io/dataplane-mode": "ambient" if ambient else "none"}
    if waypoint := BEHIND.get((where, name)):
        mode["istio.io/use-waypoint"] = waypoint
    annotations = {lab.APP_ANNOTATION: "true"}
    if (where, name) == BYPASSED:
        annotations["ambient.istio.io/bypass-inbound-capture"] = "true"
    ports = [{"containerPort": port} for port in authorization_cases.POD_PORTS]
    template = {
        "metadata": {"labels": {NAME: name, **mode}, "annotations": annotations},
        "spec": {
            "serviceAccountName": account,
            "containers": [{"name": name, "image": name, "ports": ports}],
        },
    }
    spec: Manifest = {"selector": {"matchLabels": {NAME: name}}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return _object("apps/v1", kind, where, name, spec=spec)
