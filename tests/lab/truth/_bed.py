# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The mesh in which cases are tried: one waypoint, and Services and pods as targets."""

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Generator, Iterable, Sequence
from typing import Any, cast

from istio_ambient import kube, resources
from istio_ambient.authorization import evaluator
from istio_ambient.cluster import mesh_snapshot
from lightkube import codecs
from lightkube.resources import apps_v1, core_v1

from tests import authorization_cases, lab

NEAR, FAR = "truth", "truth-far"
WAYPOINT = "way"
assert authorization_cases.ADDRESSES[1:] == lab.CLIENT_ADDRESSES
NAME = "app.kubernetes.io/name"
SERVICES = tuple((NEAR, f"s{n}") for n in range(24)) + tuple((FAR, f"s{n}") for n in range(8))
"""Served by the waypoint; their pod is not on the mesh, so no other proxy decides."""
GUARDED = (*((NEAR, f"guarded{n}") for n in range(5)), (FAR, "guarded5"))
"""Applications whose pods have a ztunnel."""
WITH_WAYPOINT = GUARDED[::2]
"""Those with a Service at the waypoint too; istiod then allows the waypoint at their pods."""
SENDER = "sender"
"""In each namespace of a source, `<this>-<service account>` is a pod of it, with a ztunnel."""
_PARALLEL = 8

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


class Bed:
    """The mesh under test.

    Args:
        cluster: with istio-k8s.
        root_namespace: the model of istio-k8s.
    """

    def __init__(self, cluster: lab.Cluster, root_namespace: str):
        self.cluster = cluster
        self.root = root_namespace
        self.guarded = GUARDED if cluster.has_ztunnel else ()
        self.senders = authorization_cases.SOURCES if cluster.has_ztunnel else ()
        # As untyped as lightkube's generic resources are.
        self._client: Any = cluster.client
        self.auto_allow = True

    @contextlib.contextmanager
    def laid_out(self) -> Generator[None]:
        """Create the mesh, and delete it at the end."""
        namespaces = {NEAR, FAR, *(source.split("/")[0] for source in authorization_cases.SOURCES)}
        try:
            self._create(_namespace(name) for name in sorted(namespaces))
            self._create(self._accounts())
            self._create(self._objects())
            self.cluster.wait_gateway(WAYPOINT, NEAR)
            for where, name in (*self.guarded, (NEAR, "plain"), (FAR, "plain")):
                self.cluster.wait_ready(apps_v1.Deployment, name, where)
            for source in self.senders:
                where, _, account = source.partition("/")
                self.cluster.wait_ready(apps_v1.StatefulSet, f"{SENDER}-{account}", where)
            self.cluster.wait_synced()
            self._layout = self.read()
            yield
        finally:
            for name in namespaces:
                with contextlib.suppress(Exception):
                    self._client.delete(core_v1.Namespace, name)
            self._delete_policies()

    def read(self) -> evaluator.Snapshot:
        """Read the input of the evaluator from the cluster."""
        client = cast(kube.Client, self._client)
        return mesh_snapshot.read(client, self.root, auto_allow=self.auto_allow)

    def put(self, policies: Sequence[Manifest]) -> None:
        """Replace all policies by these, and wait until every proxy has them."""
        self._delete_policies()
        self._create(policies)
        self.cluster.wait_synced()

    def snapshot(self, policies: Iterable[Manifest]) -> evaluator.Snapshot:
        """Return the input of the evaluator under these policies."""
        objects = list(policies)
        return dataclasses.replace(
            self._layout,
            auto_allow=self.auto_allow,
            policies=tuple(each for each in objects if each["kind"] == "AuthorizationPolicy"),
            peer_authentications=tuple(
                each for each in objects if each["kind"] == "PeerAuthentication"
            ),
            mesh=evaluator.MeshSettings(authorizers=frozenset()),
        )

    def address_of(self, source: str) -> str:
        """Return the address of the pod that sends as a source."""
        where, name = sender(source).split("/")
        pods = {evaluator.key(pod): pod for pod in self._layout.pods}
        return pods[where, name]["status"]["podIP"]

    def refresh(self, *, auto_allow: bool) -> None:
        """Read the mesh again after a restart of istiod with another setting."""
        self.auto_allow = auto_allow
        self.cluster.wait_synced(timeout=60)
        self._layout = self.read()

    def _delete_policies(self) -> None:
        for where in (NEAR, FAR, self.root):
            for kind in (resources.AuthorizationPolicy, resources.PeerAuthentication):
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
        accounts += [(where, "plain") for where in (NEAR, FAR)] + list(self.guarded)
        for where, name in accounts:
            yield _object("v1", "ServiceAccount", where, name)

    def _objects(self) -> Iterable[Manifest]:
        yield _waypoint()
        for where in (NEAR, FAR):
            yield _deployment(where, "plain", ambient=False)
        for where, name in SERVICES:
            yield _service(where, name, "plain", waypoint=True)
        for source in self.senders:
            where, _, account = source.partition("/")
            yield _workload("StatefulSet", where, f"{SENDER}-{account}", account, ambient=True)
        for guarded in self.guarded:
            where, name = guarded
            yield _deployment(where, name, ambient=True)
            yield _service(*direct(guarded), name, waypoint=False)
            if guarded in WITH_WAYPOINT:
                yield _service(*through(guarded), name, waypoint=True)


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


def _waypoint() -> Manifest:
    listener = {
        "name": "mesh",
        "port": 15008,
        "protocol": "HBONE",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return _object(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        NEAR,
        WAYPOINT,
        {"istio.io/waypoint-for": "service"},
        spec={"gatewayClassName": "istio-waypoint", "listeners": [listener]},
    )


def _service(where: str, name: str, app: str, *, waypoint: bool) -> Manifest:
    waypoint_labels = {"istio.io/use-waypoint": WAYPOINT, "istio.io/use-waypoint-namespace": NEAR}
    names = ("http-web", "tcp-web", "web", "udp-web")
    targets = authorization_cases.POD_PORTS * 2
    ports = [
        {"name": called, "port": port, "targetPort": target}
        for called, port, target in zip(
            names, authorization_cases.SERVICE_PORTS, targets, strict=True
        )
    ]
    spec = {"selector": {NAME: app}, "ports": ports}
    return _object("v1", "Service", where, name, waypoint_labels if waypoint else None, spec=spec)


def _deployment(where: str, name: str, *, ambient: bool) -> Manifest:
    return _workload("Deployment", where, name, name, ambient=ambient)


def _workload(kind: str, where: str, name: str, account: str, *, ambient: bool) -> Manifest:
    mode = {"istio.io/dataplane-mode": "ambient" if ambient else "none"}
    ports = [{"containerPort": port} for port in authorization_cases.POD_PORTS]
    template = {
        "metadata": {"labels": {NAME: name, **mode}, "annotations": {lab.APP_ANNOTATION: "true"}},
        "spec": {
            "serviceAccountName": account,
            "containers": [{"name": name, "image": name, "ports": ports}],
        },
    }
    spec: Manifest = {"selector": {"matchLabels": {NAME: name}}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return _object("apps/v1", kind, where, name, spec=spec)
