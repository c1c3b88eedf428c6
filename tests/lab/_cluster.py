# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab's cluster: starts, connects and ends all of its components."""

import contextlib
import datetime
import os
import pathlib
import shutil
import socket
import tempfile
import types
import uuid
from collections.abc import Generator, Mapping
from typing import Any, Self

import lightkube
from lightkube import generic_resource
from lightkube.models import core_v1 as core_models
from lightkube.models import meta_v1
from lightkube.resources import apiextensions_v1, core_v1

from tests.eventually import eventually
from tests.lab import (
    _audit,
    _container_logs,
    _control_plane,
    _kubelet,
    _kwok,
    _load_balancer,
    _metrics,
    _namespaces,
    _network,
    _objects,
    _requests,
    _sync,
)

_LOGS = pathlib.Path(__file__).parents[2] / "build" / "lab-logs"
_ADMINISTRATOR = "lab-admin"

_Stage: Any = generic_resource.create_global_resource(  # pyright: ignore[reportUnknownMemberType]
    "kwok.x-k8s.io", "v1alpha1", "Stage", "stages"
)


class Cluster:
    """A Kubernetes cluster of one node on this machine; a context manager, ready when entered.

    Real: etcd, the API server, controllers, scheduler, kube-proxy, and the pods of istiod,
    waypoints, gateways and applications. kwok simulates all other pods: they get an address and
    are ready.

    While it runs, the environment variable KUBECONFIG names `kubeconfig`.

    Raises:
        NotInsideError: Outside of the lab's namespaces.
        ComponentError: A component died or did not become ready.
    """

    client: lightkube.Client
    """A client of an administrator (user `lab-admin`)."""
    kubeconfig: pathlib.Path
    """The administrator's kubeconfig."""
    audit: _audit.Audit
    logs: pathlib.Path
    """Folder of all logs; removed at the end, except after a failure or with LAB_KEEP_LOGS."""

    def __init__(self) -> None:
        if not _namespaces.inside():
            raise _namespaces.NotInsideError
        self._stack = contextlib.ExitStack()
        self._keep_logs = bool(os.environ.get("LAB_KEEP_LOGS"))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if error:
            self.keep_logs()
        self._stack.__exit__(kind, error, traceback)

    def _start(self, stack: contextlib.ExitStack) -> None:
        folder = pathlib.Path(tempfile.mkdtemp(dir=_namespaces.RUNTIME))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        started = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.logs = _LOGS / started
        self.logs.mkdir(parents=True)
        stack.callback(self._clean_logs)
        stack.callback(_network.tear_down_node)
        _network.set_up_node()
        self._control_plane = _control_plane.ControlPlane(folder, self.logs)
        stack.callback(self._control_plane.stop)
        try:
            self._control_plane.start_api_server()
            self._use_api_server(stack)
            self._start_node(stack, folder)
        except BaseException:
            self.keep_logs()
            raise

    def _use_api_server(self, stack: contextlib.ExitStack) -> None:
        self.audit = _audit.Audit(self.logs / "audit.log")
        self.kubeconfig = self.kubeconfig_for(_ADMINISTRATOR)
        previous = os.environ.get("KUBECONFIG")
        os.environ["KUBECONFIG"] = str(self.kubeconfig)
        stack.callback(_restore_environment, "KUBECONFIG", previous)
        self.client = self.client_for(_ADMINISTRATOR)

    def _start_node(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        self._control_plane.start_controllers()
        definition: Any = apiextensions_v1.CustomResourceDefinition
        self.client.create(definition.from_dict(_kwok.stage_definition()))
        for stage in _kwok.stages():
            eventually(lambda stage=stage: self.client.create(_Stage(stage)))
        self._control_plane.start_kwok()
        self.client.create(_node())
        _objects.prepare_decoders()
        own = _client(self._control_plane.component_kubeconfig("kubelet"))
        self._kubelet = _kubelet.Kubelet(own, folder, self.logs)
        stack.callback(self._kubelet.stop)
        self._log_server = _container_logs.LogServer(
            _network.NODE_ADDRESS, self._control_plane.kubelet_files(), self._kubelet.log_files
        )
        stack.callback(self._log_server.stop)
        self._load_balancer = _load_balancer.LoadBalancer(own)
        stack.callback(self._load_balancer.stop)
        self._requests = _requests.Requests(own, self._kubelet, self._load_balancer)
        self._eventually_started()

    def _eventually_started(self) -> None:
        def ready() -> bool:
            self.check()
            node = self.client.get(core_v1.Node, _control_plane.NODE_NAME)
            conditions = (node.status and node.status.conditions) or []
            tainted = node.spec and node.spec.taints
            # Without this ConfigMap and ServiceAccount no pod can be created.
            self.client.get(core_v1.ServiceAccount, "default", namespace="default")
            self.client.get(core_v1.ConfigMap, "kube-root-ca.crt", namespace="default")
            return not tainted and any(
                condition.type == "Ready" and condition.status == "True"
                for condition in conditions
            )

        eventually(ready, timeout=30)

    def check(self) -> None:
        """Raise `ComponentError`, with the log's end, if a component of the lab died."""
        self._control_plane.check()
        self._kubelet.check()
        self._load_balancer.check()

    def kubeconfig_for(
        self, user: str, groups: tuple[str, ...] = _control_plane.ADMINISTRATORS
    ) -> pathlib.Path:
        """Write a kubeconfig of a user with this name, for the audit log; return its path."""
        return self._control_plane.kubeconfig(user, groups)

    def client_for(
        self,
        user: str,
        groups: tuple[str, ...] = _control_plane.ADMINISTRATORS,
        **settings: Any,
    ) -> lightkube.Client:
        """Return a client of a user with this name; `settings` are lightkube's."""
        return _client(self.kubeconfig_for(user, groups), **settings)

    @property
    def has_ztunnel(self) -> bool:
        """Whether applications on the mesh have a real ztunnel, see `tests.ztunnel`."""
        return self._kubelet.has_ztunnel

    def keep_logs(self) -> pathlib.Path:
        """Keep the logs beyond the cluster's end; returns their folder."""
        self._keep_logs = True
        return self.logs

    @contextlib.contextmanager
    def fail_image(self, pattern: str) -> Generator[None]:
        """Let pods that are created in the context wait with ImagePullBackOff.

        Args:
            pattern: Of image names, with `*` and `?`.
        """
        name = f"image-fault-{uuid.uuid4().hex[:8]}"
        self.client.create(_Stage(_kwok.image_fault(name, pattern)))
        self._kubelet.failing_images.append(pattern)
        try:
            yield
        finally:
            self._kubelet.failing_images.remove(pattern)
            self.client.delete(_Stage, name)
            self._retry_images(pattern)

    def _retry_images(self, pattern: str) -> None:
        """Change the pods that kwok holds back, so that kwok evaluates its Stages again."""
        change = {"metadata": {"annotations": {"lab.charmed-istio/retried": pattern}}}
        api: Any = self.client
        for pod in api.list(core_v1.Pod, namespace="*"):
            found: _objects.Object = pod.to_dict()
            statuses = _objects.sequence(found, "status", "containerStatuses")
            reasons = [_objects.texts(one, "state", "waiting").get("reason") for one in statuses]
            if "ImagePullBackOff" in reasons:
                # The pod may be deleted by now.
                with contextlib.suppress(lightkube.ApiError):
                    _objects.patch(self.client, core_v1.Pod, _objects.key(found), change)

    @contextlib.contextmanager
    def without_logs(self) -> Generator[None]:
        """Let the kubelet refuse to serve logs in the context."""
        self._log_server.reachable = False
        try:
            yield
        finally:
            self._log_server.reachable = True

    @contextlib.contextmanager
    def unschedulable(self) -> Generator[None]:
        """Cordon the node: pods that are created in the context stay pending (not DaemonSets')."""
        self._cordon(True)
        try:
            yield
        finally:
            self._cordon(False)

    def _cordon(self, value: bool) -> None:
        patch = {"spec": {"unschedulable": value}}
        _objects.patch(self.client, core_v1.Node, ("", _control_plane.NODE_NAME), patch)

    @contextlib.contextmanager
    def node_labels(self, **labels: str) -> Generator[None]:
        """Let the node have more labels, for node selectors."""
        self._label_node(labels)
        try:
            yield
        finally:
            self._label_node(dict.fromkeys(labels))

    def _label_node(self, labels: Mapping[str, str | None]) -> None:
        patch = {"metadata": {"labels": dict(labels)}}
        _objects.patch(self.client, core_v1.Node, ("", _control_plane.NODE_NAME), patch)

    @contextlib.contextmanager
    def masquerading(self) -> Generator[None]:
        """Let kube-proxy masquerade external clients where a Service's traffic policy says so.

        Outside this context pods see the addresses of clients, for any traffic policy.
        """
        _network.masquerade_outside_addresses()
        try:
            yield
        finally:
            _network.keep_outside_addresses()

    def set_load_balancer(self, address: str | None) -> None:
        """Choose the address of Services of type LoadBalancer.

        Args:
            address: An IP address (several Services get it and the following ones, oldest first),
                a host name, or None for no address. The default is 203.0.113.10.
        """
        self._load_balancer.set(address)

    def request(
        self,
        source: str | None,
        service: str,
        method: str = "GET",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        via: str | None = None,
        timeout: float = 5.0,
        source_ip: str | None = None,
        pod: str | None = None,
        captured: bool = False,
    ) -> _requests.Response:
        """Send a request as a workload.

        Args:
            source: `namespace/serviceaccount` whose certificate is used; None sends plain text
                from outside the mesh.
            service: `namespace/name:port`.
            method: HTTP method.
            path: With the query.
            headers: In addition to Host.
            body: Sent with a Content-Length.
            via: None routes as the mesh does (through the waypoint that the Service or its
                namespace names, else to the pod). "pod" bypasses the waypoint.
            timeout: Seconds for each step.
            source_ip: The sender's address, one of `CLIENT_ADDRESSES`; None is the node's own.
            pod: The real pod that sends it, `namespace/name`, and so its address; None: the node.
            captured: Whether the ztunnel of that pod captures it, as plain text (no `source`), and
                so proves the pod's identity and chooses the way.

        Raises:
            ComponentError: A component of the lab died.
            RequestError: The request cannot be sent at all: no such Service, no pod, no
                certificate.
        """
        self.check()
        network = self._requests.network_of(pod) if pod else None
        sent = dict(headers or {})
        call = _requests.Call(method, path, sent, body, timeout, source_ip, network, captured)
        return self._requests.request(source, service, call, via)

    def keeping_connections(self) -> contextlib.AbstractContextManager[None]:
        """Let requests of a workload share a connection in this context: for many in a row."""
        return self._requests.keeping_connections()

    def request_outside(
        self,
        url: str,
        source_ip: str = _network.OUTSIDE_ADDRESSES[0],
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
        timeout: float = 5.0,
        roots: str | None = None,
    ) -> _requests.Response:
        """Send a request from outside the cluster.

        Args:
            url: `http[s]://host[:port]/path`; the host is an address, or the host name of a load
                balancer.
            source_ip: 192.0.2.10 or 198.51.100.7.
            method: HTTP method.
            headers: In addition to Host.
            address: The address to connect to instead of the URL's host.
            timeout: Seconds for each step.
            roots: Certificates in PEM that the client trusts, with `https`. Without a valid
                certificate for the URL's host there is no answer.
        """
        self.check()
        call = _requests.Call(method, "", dict(headers or {}), b"", timeout)
        return self._requests.request_outside(url, source_ip, call, address, roots)

    def metrics(self, namespace: str, name: str, port: int | None = None) -> str:
        """Return the metrics of a real pod, in the text format of Prometheus.

        Args:
            namespace: The pod's.
            name: Beginning of the pod's name.
            port: The port of `/metrics`, requested from within the pod. None takes port and path
                of the `prometheus.io/` annotations, requested from the node as metrics-proxy does.

        Raises:
            AssertionError: There is no such pod, or no answer within ten seconds.
        """
        return _metrics.of_pod(self._kubelet, namespace, name, port)

    def ztunnel_config(self, namespace: str, name: str) -> str:
        """Return what the ztunnel of a real pod has of istiod, as JSON: its `/config_dump`.

        Args:
            namespace: The pod's.
            name: Beginning of the pod's name.
        """
        return _metrics.of_pod(self._kubelet, namespace, name, 15000, "/config_dump")

    def node_ztunnel_metrics(self, namespace: str) -> str:
        """Return the metrics of a node's ztunnel before its first pod.

        Args:
            namespace: The namespace of the control plane, which holds the DaemonSet.

        Raises:
            ComponentError: The lab has no ztunnel.
            AssertionError: There is no answer within ten seconds.
        """
        return _metrics.of_node_ztunnel(self._kubelet, namespace)

    def listen(self, service: str, port: int) -> socket.socket:
        """Listen at the first pod of a Service, for a server that a test runs.

        Args:
            service: `namespace/name`.
            port: A port of the pod on which the pod's own application does not listen.

        Raises:
            RequestError: There is no such Service, or it has no ready pod.
        """
        return self._requests.listen(service, port)

    def wait_synced(self, timeout: float = 20.0) -> None:
        """Wait until istiod is idle and every proxy has acknowledged its configuration.

        Raises:
            TimeoutError: This takes longer than `timeout`.
        """
        _sync.wait(self._kubelet, timeout)

    def wait_ready(self, kind: Any, name: str, namespace: str, timeout: float = 60.0) -> None:
        """Wait until a Deployment, StatefulSet or DaemonSet has rolled out."""

        def ready() -> bool:
            self.check()
            return _sync.rolled_out(self.client.get(kind, name, namespace=namespace).to_dict())

        eventually(ready, timeout)

    def wait_gateway(self, name: str, namespace: str, timeout: float = 60.0) -> None:
        """Wait until a Gateway (waypoints too) is programmed and its pods are ready."""

        def ready() -> bool:
            self.check()
            return _sync.programmed(self.client, name, namespace)

        eventually(ready, timeout)

    def _clean_logs(self) -> None:
        if not self._keep_logs:
            shutil.rmtree(self.logs, ignore_errors=True)


def _client(kubeconfig: pathlib.Path, **settings: Any) -> lightkube.Client:
    config = lightkube.KubeConfig.from_file(str(kubeconfig))
    return lightkube.Client(config=config, trust_env=False, **settings)


def _node() -> core_v1.Node:
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": _control_plane.NODE_NAME}
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=_control_plane.NODE_NAME, labels=labels),
        status=core_models.NodeStatus(allocatable=amounts, capacity=amounts),
    )


def _restore_environment(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
