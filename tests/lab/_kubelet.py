# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The node's kubelet for pods that are real processes; kwok simulates the others."""

import contextlib
import fnmatch
import os
import pathlib
import threading
import time
from collections.abc import Callable, Generator

import httpx2
import lightkube
from lightkube.core import exceptions
from lightkube.resources import core_v1

from tests import ztunnel
from tests.lab import (
    _echo,
    _namespaces,
    _network,
    _objects,
    _pod,
    _process,
    _watch,
    _workloads,
    _ztunnel,
)

_BUSY_INTERVAL = 0.1
_IDLE_INTERVAL = 1.0
_ROOT_CERTIFICATE = "istio-ca-root-cert"
_NO_METRICS = "lab-no-istio-metrics"


class Kubelet:
    """Runs real pods and keeps the hosts file current, in a thread of its own.

    Args:
        client: Client for the kubelet's own requests.
        folder: Scratch space.
        logs: Folder for the logs of the pods' programs.
    """

    def __init__(self, client: lightkube.Client, folder: pathlib.Path, logs: pathlib.Path) -> None:
        self.client = client
        self.folder = folder
        self.logs = logs
        self.echo = _echo.EchoServers()
        self.failing_images: list[str] = []
        """Patterns of images that cannot be pulled."""
        self._changed = threading.Event()
        self._pods = _watch.Watched(client, core_v1.Pod, self._changed)
        self._config_maps = _watch.Watched(client, core_v1.ConfigMap, self._changed)
        self._secrets = _watch.Watched(client, core_v1.Secret, self._changed)
        self._services = _watch.Watched(client, core_v1.Service, self._changed)
        self._namespaces = _watch.Watched(client, core_v1.Namespace, self._changed)
        self._real: dict[str, _pod.RealPod] = {}
        self._addresses = _network.pod_addresses()
        self._program = ztunnel.named(os.environ)
        self._silenced: set[str] = set()
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)
        self._thread.start()

    @property
    def has_ztunnel(self) -> bool:
        """Whether the lab has a ztunnel."""
        return self._program is not None

    def check(self) -> None:
        """Raise `ComponentError` if the thread ended."""
        if self._error:
            raise _process.ComponentError(f"the kubelet died: {self._error!r}") from self._error

    def stop(self) -> None:
        """End all real pods' processes."""
        self._stopping = True
        self._changed.set()
        self._thread.join(timeout=10)
        for watched in (
            self._pods,
            self._config_maps,
            self._secrets,
            self._services,
            self._namespaces,
        ):
            watched.stop()
        for real in self._real.values():
            real.kill()
        self.echo.close()

    def config_map(self, namespace: str, name: str) -> _objects.Object | None:
        """Return a ConfigMap."""
        return self._config_maps.get(namespace, name)

    def secret(self, namespace: str, name: str) -> _objects.Object | None:
        """Return a Secret."""
        return self._secrets.get(namespace, name)

    def image_fails(self, image: str) -> bool:
        """Return whether an image cannot be pulled."""
        return any(fnmatch.fnmatchcase(image, pattern) for pattern in self.failing_images)

    def ztunnel_settings(self, pod: _objects.Object) -> _ztunnel.Settings | None:
        """Return the settings of the pod's ztunnel, or None off the mesh, or without istiod."""
        return self._settings(pod["metadata"]["namespace"]) if self._on_mesh(pod) else None

    def _settings(self, namespace: str) -> _ztunnel.Settings | None:
        istiod = self.istiod_service()
        certificate = self.root_certificate(namespace)
        if not self._program or not istiod or not certificate:
            return None
        return _ztunnel.Settings(
            self._program.path,
            istiod["spec"]["clusterIP"],
            istiod["metadata"]["namespace"],
            certificate,
        )

    @contextlib.contextmanager
    def node_ztunnel(self, namespace: str) -> Generator[str]:
        """Run the ztunnel of a node with the rights of the DaemonSet in a namespace.

        Yields the name of its network namespace.

        Raises:
            ComponentError: There is no ztunnel, or no istiod.
        """
        settings = self._settings(namespace)
        if settings is None:
            raise _process.ComponentError("there is no ztunnel, or no istiod")
        name, account = "ztunnel-of-node", "ztunnel"
        identity = _ztunnel.Identity(namespace, name, account, next(self._addresses))
        token = _objects.request_token(self.client, namespace, account, "istio-ca")
        folder = self.folder / name
        with _ztunnel.node_ztunnel(settings, identity, token, folder, self.logs) as network:
            yield network

    def service(self, namespace: str, name: str) -> _objects.Object | None:
        """Return a Service."""
        return self._services.get(namespace, name)

    def istiod_service(self) -> _objects.Object | None:
        """Return istiod's Service."""
        for (_, name), service in self._services.all().items():
            if name == "istiod":
                return service
        return None

    def root_certificate(self, namespace: str) -> str:
        """Return the mesh's root certificate that istiod wrote to a namespace; "" before that."""
        found = self.config_map(namespace, _ROOT_CERTIFICATE)
        return _objects.texts(found, "data").get("root-cert.pem", "")

    def waypoint_address(self, service: _objects.Object) -> str | None:
        """Return the address of the waypoint that a Service's labels, or its namespace's, name."""
        namespace: str = service["metadata"]["namespace"]
        for labelled in (service, self._namespaces.get("", namespace)):
            labels = _objects.texts(labelled, "metadata", "labels")
            name = labels.get("istio.io/use-waypoint")
            if name == "none":
                return None
            if name:
                where = labels.get("istio.io/use-waypoint-namespace") or namespace
                waypoint = self.service(where, name)
                return waypoint["spec"]["clusterIP"] if waypoint else None
        return None

    def pods_of(self, service: _objects.Object) -> list[_pod.RealPod]:
        """Return the real, ready pods of a Service."""
        selector = _objects.texts(service, "spec", "selector")
        return [
            real
            for (namespace, _), real in sorted(self.real_pods().items())
            if namespace == service["metadata"]["namespace"]
            and selector.items() <= _objects.texts(real.pod, "metadata", "labels").items()
            and real.settled
        ]

    def real_pods(self) -> dict[_objects.Key, _pod.RealPod]:
        """Return the running pods by namespace and name."""
        return {
            (real.pod["metadata"]["namespace"], real.pod["metadata"]["name"]): real
            for real in list(self._real.values())
        }

    def log_files(self, namespace: str, name: str) -> list[pathlib.Path]:
        """Return the files with the log of a pod; of a ztunnel, those of all pods of the node.

        In the lab each pod has a ztunnel of its own, in place of that of the DaemonSet.
        """
        pod = self._pods.get(namespace, name)
        if _objects.texts(pod, "metadata", "labels").get("app") == "ztunnel":
            return sorted(self.logs.glob("ztunnel_*.log"))
        file = self.logs / f"{namespace}_{name}.log"
        return [file] if file.exists() else []

    def _run(self) -> None:
        try:
            for watched in (self._pods, self._config_maps, self._services, self._namespaces):
                watched.wait()
            while not self._stopping:
                self._step()
        except BaseException as error:
            self._error = error

    def _step(self) -> None:
        busy = any(not real.settled for real in self._real.values())
        self._changed.wait(_BUSY_INTERVAL if busy else _IDLE_INTERVAL)
        self._changed.clear()
        if self._stopping:
            return
        self._write_hosts()
        pods = {pod["metadata"]["uid"]: pod for pod in self._pods.all().values()}
        for uid, pod in pods.items():
            make = _workloads.choose(pod)
            if not make or not pod["spec"].get("nodeName") or uid in self._real:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                self._attempt(lambda pod=pod: _objects.delete_pod(self.client, pod))
            else:
                self._real[uid] = _pod.RealPod(self, pod, next(self._addresses), make)
        for uid, real in list(self._real.items()):
            if self._attempt(lambda uid=uid, real=real: real.step(pods.get(uid))):
                del self._real[uid]
        self._attempt(self._silence_metrics)

    def _attempt(self, action: Callable[[], bool | None]) -> bool:
        """Try an action that the API server may refuse for now."""
        try:
            return bool(action())
        except exceptions.ApiError as error:
            # Objects come and go while the loop works on a snapshot; the next round reads
            # them again.
            if error.status.code not in {404, 409, 422, 429, 500, 503}:
                raise
        except httpx2.HTTPError:
            time.sleep(0.1)
        return False

    def _on_mesh(self, pod: _objects.Object) -> bool:
        labels = _objects.texts(pod, "metadata", "labels")
        namespace = self._namespaces.get("", pod["metadata"]["namespace"])
        of_namespace = _objects.texts(namespace, "metadata", "labels")
        label = "istio.io/dataplane-mode"
        return labels.get(label, of_namespace.get(label)) == "ambient"

    def _silence_metrics(self) -> None:
        """Switch Istio's metrics off: stock Envoy lacks their filter."""
        istiod = self.istiod_service()
        namespace = istiod["metadata"]["namespace"] if istiod else ""
        if not namespace or namespace in self._silenced:
            self._silenced &= {namespace}
            return
        kind = _objects.custom("telemetry.istio.io", "v1", "Telemetry", "telemetries")
        telemetry = kind.from_dict(
            {
                "apiVersion": "telemetry.istio.io/v1",
                "kind": "Telemetry",
                "metadata": {"name": _NO_METRICS, "namespace": namespace},
                "spec": {
                    "metrics": [
                        {
                            "providers": [{"name": "prometheus"}],
                            "overrides": [{"disabled": True}],
                        }
                    ]
                },
            }
        )
        self.client.apply(telemetry, field_manager="lab", force=True)
        self._silenced.add(namespace)

    def _write_hosts(self) -> None:
        lines = [f"127.0.0.1 localhost {os.uname().nodename}"]
        for (namespace, name), service in sorted(self._services.all().items()):
            address = service["spec"].get("clusterIP") or "None"
            if address != "None":
                host = f"{name}.{namespace}.svc"
                lines.append(f"{address} {host} {host}.cluster.local {name}.{namespace}")
        hosts = _namespaces.RUNTIME / "hosts"
        text = "\n".join([*lines, ""])
        if hosts.read_text() != text:
            # Written in place: the file is mounted into every pod.
            hosts.write_text(text)
