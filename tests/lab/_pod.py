# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The life of one real pod: its network, its workload, its status."""

import dataclasses
import datetime
import pathlib
import time
from collections.abc import Callable
from typing import Any, Protocol

import lightkube
from lightkube.resources import core_v1

from tests.lab import _echo, _network, _objects, _volumes, _workloads, _ztunnel

_RESTART_DELAY = 1.0
_GRACE_PERIOD = 5.0
_PROBE_INTERVAL = 1.0
_BELIEVED = 2.0
"""Seconds for which failed probes of a ready pod are ignored."""


class Lab(Protocol):
    """The part of the lab that pods use."""

    client: lightkube.Client
    folder: pathlib.Path
    logs: pathlib.Path
    echo: _echo.EchoServers

    def config_map(self, namespace: str, name: str) -> _objects.Object | None:
        """A ConfigMap."""
        ...

    def secret(self, namespace: str, name: str) -> _objects.Object | None:
        """A Secret."""
        ...

    def ztunnel_settings(self, pod: _objects.Object) -> _ztunnel.Settings | None:
        """Return the settings of the pod's ztunnel; None: it has none."""
        ...

    def image_fails(self, image: str) -> bool:
        """Return whether an image cannot be pulled."""
        ...


@dataclasses.dataclass(frozen=True)
class _State:
    """The state that the pod's status reports."""

    ready: bool = False
    waiting: str = ""
    """The reason why a container waits; "" when it runs."""
    message: str = ""
    restarts: int = 0
    end: tuple[int, str] | None = None
    """Exit code and log of the container before its last restart."""


class RealPod:
    """A pod of real processes; `step` is called repeatedly."""

    def __init__(
        self,
        lab: Lab,
        pod: _objects.Object,
        address: str,
        make: Callable[[_workloads.Context], _workloads.Workload],
    ) -> None:
        self._lab = lab
        self._pod = pod
        self._tokens: dict[tuple[str, str, str | None], str] = {}
        self._reported: _State | None = None
        self._restarts = 0
        self._last_end: tuple[int, str] | None = None
        self._not_before = 0.0
        self._ending_since: float | None = None
        self._joined = False
        self._probed_at = 0.0
        self._ready_at = 0.0
        self._since = _now()
        self.address = address
        self.namespace = f"pod-{pod['metadata']['uid'][:13]}"
        self.folder = lab.folder / "pods" / pod["metadata"]["uid"]
        self.logs = lab.logs
        self.echo = lab.echo
        self._running = False
        self._workload = make(self)

    @property
    def pod(self) -> _objects.Object:
        """The pod's object, its address included."""
        status = {**_objects.mapping(self._pod, "status"), **_addresses(self.address)}
        return {**self._pod, "status": status}

    def config_map(self, namespace: str, name: str) -> _objects.Object | None:
        """A ConfigMap."""
        return self._lab.config_map(namespace, name)

    def secret(self, namespace: str, name: str) -> _objects.Object | None:
        """A Secret."""
        return self._lab.secret(namespace, name)

    def token(self, namespace: str, service_account: str, audience: str | None) -> str:
        """Return a token of a ServiceAccount; the same for the lifetime of the pod."""
        key = (namespace, service_account, audience)
        if key not in self._tokens:
            self._tokens[key] = _objects.request_token(self._lab.client, *key)
        return self._tokens[key]

    def ztunnel(self) -> _ztunnel.Settings | None:
        """Return the settings of the pod's ztunnel, or None without one."""
        return self._lab.ztunnel_settings(self._pod)

    def annotate(self, annotations: dict[str, str | None]) -> None:
        """Annotate the pod."""
        change = {"metadata": {"annotations": annotations}}
        _objects.patch(self._lab.client, core_v1.Pod, _objects.key(self._pod), change)

    def step(self, pod: _objects.Object | None) -> bool:
        """Go one step towards the state that the pod's object describes.

        Args:
            pod: The current object; None: it was deleted without a grace period.

        Returns:
            Whether the pod has ended and nothing remains of it.
        """
        self._pod = pod or self._pod
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return self._end(pod is not None)
        if not self._running:
            self._start()
        elif not self._workload.alive():
            self._last_end = self._workload.end()
            self._workload.kill()
            self._running = False
            self._restarts += 1
            self._not_before = time.monotonic() + _RESTART_DELAY * min(self._restarts, 5)
            message, end = "the process ended", self._last_end
            self._report(_State(False, "CrashLoopBackOff", message, self._restarts, end))
        else:
            self._workload.refresh()
            ready, end = self._is_ready(), self._last_end
            self._report(_State(ready, restarts=self._restarts, end=end))
        return False

    @property
    def settled(self) -> bool:
        """Whether no change is expected soon."""
        return self._reported is not None and self._reported.ready

    def kill(self) -> None:
        """Kill the pod's processes at once; its network stays."""
        self._workload.kill()

    def _start(self) -> None:
        if time.monotonic() < self._not_before:
            return
        failing = [
            container["image"]
            for container in self._pod["spec"]["containers"]
            if self._lab.image_fails(container["image"])
        ]
        if failing:
            message = f'Back-off pulling image "{failing[0]}"'
            self._report(_State(False, "ImagePullBackOff", message))
            return
        if not self._joined:
            _network.join(self.namespace, self.address)
            self._joined = True
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._workload.start()
        except _volumes.NotYetError as missing:
            self._report(_State(False, "ContainerCreating", str(missing)))
            self._not_before = time.monotonic() + 0.2
            return
        self._running = True
        self._report(_State(False, restarts=self._restarts, end=self._last_end))

    def _is_ready(self) -> bool:
        now = time.monotonic()
        was_ready = self.settled
        if was_ready and now - self._probed_at < _PROBE_INTERVAL:
            return True
        self._probed_at = now
        if self._workload.ready():
            self._ready_at = now
            return True
        return was_ready and now - self._ready_at < _BELIEVED

    def _end(self, delete_object: bool) -> bool:
        if self._ending_since is None:
            self._ending_since = time.monotonic()
            self._workload.terminate()
        overdue = time.monotonic() - self._ending_since > _GRACE_PERIOD
        if self._workload.alive() and not overdue:
            return False
        self._workload.kill()
        if self._joined:
            _network.leave(self.namespace)
        if delete_object:
            _objects.delete_pod(self._lab.client, self._pod)
        return True

    def _report(self, state: _State) -> None:
        if state == self._reported:
            return
        if self._reported is None or self._reported.ready != state.ready:
            self._since = _now()
        self._reported = state
        change = {"status": self._status(state)}
        _objects.patch(self._lab.client, core_v1.PodStatus, _objects.key(self._pod), change)

    def _status(self, state: _State) -> dict[str, Any]:
        started = {"running": {"startedAt": self._since}}
        waiting = {"waiting": {"reason": state.waiting, "message": state.message}}
        reason = {} if state.ready else {"reason": "ContainersNotReady", "message": state.message}
        truth = {"status": str(state.ready), "lastTransitionTime": self._since, **reason}
        return {
            "phase": "Running" if self._running or state.restarts else "Pending",
            **_addresses(self.address),
            "conditions": [
                {"type": "Initialized", "status": "True", "lastTransitionTime": self._since},
                {"type": "Ready", **truth},
                {"type": "ContainersReady", **truth},
            ],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": state.ready,
                    "started": not state.waiting,
                    "restartCount": state.restarts,
                    "state": waiting if state.waiting else started,
                    "lastState": _last_state(container, state.end),
                }
                for container in self._pod["spec"]["containers"]
            ],
        }


def _last_state(container: _objects.Object, end: tuple[int, str] | None) -> dict[str, Any]:
    if end is None:
        return {}
    code, log = end
    found: dict[str, Any] = {"exitCode": code, "reason": "Error" if code else "Completed"}
    if container.get("terminationMessagePolicy") == "FallbackToLogsOnError" and code:
        found["message"] = log
    return {"terminated": found}


def _addresses(address: str) -> dict[str, Any]:
    return {
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": _network.NODE_ADDRESS,
        "hostIPs": [{"ip": _network.NODE_ADDRESS}],
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
