# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The workloads of real pods: istiod, waypoints and gateways, applications."""

import contextlib
import json
import pathlib
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol

import yaml

from tests.lab import (
    _binaries,
    _container,
    _control_plane,
    _echo,
    _objects,
    _process,
    _volumes,
    _ztunnel,
)

APP_ANNOTATION = "lab.charmed-istio/app"
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"

_PROBE_TIMEOUT = 1.0
# Features that stock Envoy lacks; none takes part in a decision about a request.
_ISTIOD_OVERRIDES = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT": "false",
    "AMBIENT_ENABLE_MULTI_NETWORK_INGRESS": "false",
}


class Context(_volumes.Cluster, Protocol):
    """The part of its pod and of the lab that a workload uses."""

    folder: pathlib.Path
    logs: pathlib.Path
    namespace: str
    """Its network namespace."""
    address: str
    echo: _echo.EchoServers

    @property
    def pod(self) -> _objects.Object:
        """The pod's current object, its address included."""
        ...

    def ztunnel(self) -> _ztunnel.Settings | None:
        """Return the settings of the pod's ztunnel; None: it has none."""
        ...

    def annotate(self, annotations: dict[str, str | None]) -> None:
        """Annotate the pod."""
        ...


class Workload(Protocol):
    """A program that runs in a pod."""

    def start(self) -> None:
        """Start it; raise `NotYetError` while a referenced object is missing."""
        ...

    def refresh(self) -> None:
        """Follow changes in the cluster."""
        ...

    def alive(self) -> bool:
        """Return whether all processes run."""
        ...

    def end(self) -> tuple[int, str]:
        """Return the exit code of what ended, and the end of its log."""
        ...

    def ready(self) -> bool:
        """Return whether the workload serves."""
        ...

    def terminate(self) -> None:
        """Ask the processes to end."""
        ...

    def kill(self) -> None:
        """Kill the processes at once."""
        ...


class ContainerWorkload:
    """A pod whose first container is one program: istiod, or pilot-agent with its Envoy."""

    def __init__(
        self,
        context: Context,
        program: str,
        files: Callable[[], dict[str, bytes]] = dict[str, bytes],
        overrides: Callable[[dict[str, str]], dict[str, str]] = dict[str, str],
    ) -> None:
        self._context = context
        self._program = program
        self._files = files
        self._overrides = overrides
        self._process: _process.Process | None = None

    @property
    def _spec(self) -> _objects.Object:
        return self._context.pod["spec"]["containers"][0]

    def start(self) -> None:
        """Start it; raise `NotYetError` while a referenced object is missing."""
        context, spec = self._context, self._spec
        environment = _volumes.environment(context.pod, spec, context)
        environment |= {
            "KUBERNETES_SERVICE_HOST": _control_plane.KUBERNETES_SERVICE,
            "KUBERNETES_SERVICE_PORT": "443",
        }
        environment |= self._overrides(environment)
        self._write_volumes()
        root = context.folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        metadata = context.pod["metadata"]
        container = _container.Container(
            name=f"{metadata['namespace']}_{metadata['name']}",
            namespace=context.namespace,
            root=root,
            mounts=self._mounts(),
            files=self._files(),
        )
        command = [
            self._program,
            *_objects.words(spec, "command")[1:],
            *_objects.words(spec, "args"),
        ]
        command = [_volumes.expand(word, environment) for word in command]
        self._process = container.start(command, environment, context.logs)

    def refresh(self) -> None:
        """Follow changed ConfigMaps and Secrets."""
        with contextlib.suppress(_volumes.NotYetError):  # Deleted: the files stay.
            self._write_volumes()

    def alive(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.alive

    def end(self) -> tuple[int, str]:
        """Return the exit code of the program, and the end of its log."""
        if self._process is None:
            return 0, ""
        return (self._process.exit_code or 0) % 256, self._process.tail()[-2048:]

    def ready(self) -> bool:
        """Return whether the container's readiness probe succeeds."""
        probe = _objects.mapping(self._spec, "readinessProbe", "httpGet")
        if not probe:
            return True
        url = f"http://{self._context.address}:{probe['port']}{probe.get('path', '/')}"
        return http_ok(url)

    def terminate(self) -> None:
        """Ask the processes to end."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the processes at once."""
        if self._process:
            self._process.kill()

    def _write_volumes(self) -> None:
        for volume in _objects.sequence(self._context.pod, "spec", "volumes"):
            files = _volumes.contents(self._context.pod, volume, self._context)
            folder = self._volume_folder(volume["name"])
            if volume.get("emptyDir") is not None or not files:
                folder.mkdir(parents=True, exist_ok=True)
            else:
                _volumes.write(folder, files)

    def _mounts(self) -> dict[str, pathlib.Path]:
        mounts: dict[str, pathlib.Path] = {}
        for mount in _objects.sequence(self._spec, "volumeMounts"):
            folder = self._volume_folder(mount["name"])
            mounts[mount["mountPath"]] = folder / (mount.get("subPath") or "")
        return mounts

    def _volume_folder(self, name: str) -> pathlib.Path:
        return self._context.folder / "volumes" / name


def istiod(context: Context) -> ContainerWorkload:
    """Return the workload of istiod, from the pod's own spec."""
    return ContainerWorkload(
        context, str(_container.ISTIOD), overrides=lambda _: dict(_ISTIOD_OVERRIDES)
    )


def gateway(context: Context) -> ContainerWorkload:
    """Return a waypoint or gateway: pilot-agent and Envoy, from the pod spec that istiod made."""
    return ContainerWorkload(
        context, str(_container.PILOT_AGENT), _gateway_files, _gateway_overrides
    )


class Application:
    """An echo server on each container port, and the pod's ztunnel if it is on the mesh."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ztunnel: _ztunnel.Ztunnel | None = None
        self._started = False

    def start(self) -> None:
        """Listen on the container ports."""
        context = self._context
        metadata = context.pod["metadata"]
        ports: dict[int, str] = {
            port["containerPort"]: _speaks(port)
            for container in _objects.sequence(context.pod, "spec", "containers")
            for port in _objects.sequence(container, "ports")
            if port.get("protocol", "TCP") == "TCP"
        }
        labels = _objects.texts(metadata, "labels")
        identity: dict[str, str] = {
            "app": labels.get("app.kubernetes.io/name") or labels.get("app") or "",
            "pod": metadata["name"],
            "namespace": metadata["namespace"],
        }
        context.echo.start(context.namespace, context.address, ports, identity)
        self._started = True
        self.refresh()

    def refresh(self) -> None:
        """Join or leave the mesh."""
        settings = self._context.ztunnel()
        if settings and not self._ztunnel:
            self._ztunnel = _ztunnel.Ztunnel(self._context, settings)
            self._context.annotate({_ztunnel.REDIRECTION: "enabled"})
        elif self._ztunnel and not settings:
            self._ztunnel.stop()
            self._ztunnel = None
            self._context.annotate({_ztunnel.REDIRECTION: None})

    def alive(self) -> bool:
        """Return whether the echo server listens."""
        return self._started and (self._ztunnel is None or self._ztunnel.alive)

    def end(self) -> tuple[int, str]:
        """Return no log: only ztunnel can end."""
        return 1, ""

    def ready(self) -> bool:
        """Return whether the pod's ztunnel, if any, is ready too."""
        return self._ztunnel is None or self._ztunnel.ready()

    def terminate(self) -> None:
        """Stop."""
        self.kill()

    def kill(self) -> None:
        """Stop."""
        if self._started:
            self._context.echo.stop(self._context.namespace)
            self._started = False
        if self._ztunnel:
            self._ztunnel.stop()
            self._ztunnel = None


def _speaks(port: _objects.Object) -> str:
    """Return the protocol of a container port, with which the port's name begins."""
    name = str(port.get("name", "")).partition("-")[0]
    return name if name in ("https", "h2c", "grpc") else "http"


def choose(pod: _objects.Object) -> Callable[[Context], Workload] | None:
    """Return the workload that runs in a pod; None: kwok simulates the pod."""
    labels = _objects.texts(pod, "metadata", "labels")
    annotations = _objects.texts(pod, "metadata", "annotations")
    if labels.get("app") == "istiod":
        return istiod
    if GATEWAY_LABEL in labels:
        return gateway
    if annotations.get(APP_ANNOTATION) == "true":
        return Application
    return None


# The same choice, as the selector of a kwok Stage that excludes real pods.
NOT_REAL: list[dict[str, Any]] = [
    {"key": '.metadata.labels["app"]', "operator": "NotIn", "values": ["istiod"]},
    {"key": f'.metadata.labels["{GATEWAY_LABEL}"]', "operator": "DoesNotExist"},
    {
        "key": f'.metadata.annotations["{APP_ANNOTATION}"]',
        "operator": "NotIn",
        "values": ["true"],
    },
]


def http_ok(url: str) -> bool:
    """Return whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_TIMEOUT) as response:  # noqa: S310
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _gateway_files() -> dict[str, bytes]:
    template = (_binaries.folder() / "envoy_bootstrap.json").read_text()
    # Peer metadata by discovery is an extension of Istio's own Envoy.
    template = template.replace("{{- if .metadata_discovery }}", "{{- if false }}")
    return {"/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": template.encode()}


def _gateway_overrides(environment: dict[str, str]) -> dict[str, str]:
    config: dict[str, Any] = yaml.safe_load(environment.get("PROXY_CONFIG") or "{}")
    config |= {"binaryPath": str(_container.ENVOY), "terminationDrainDuration": "2s"}
    return {"PROXY_CONFIG": json.dumps(config)}
