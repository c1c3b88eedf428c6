# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Gives Services of type LoadBalancer their address, whose traffic kube-proxy forwards."""

import ipaddress
import threading
import time
from typing import Any

import httpx2
import lightkube
from lightkube import types
from lightkube.core import exceptions
from lightkube.resources import core_v1

from tests.lab import _objects, _process, _watch

DEFAULT_ADDRESS = "203.0.113.10"


class LoadBalancer:
    """Writes `status.loadBalancer` of every LoadBalancer Service, in a thread of its own."""

    def __init__(self, client: lightkube.Client) -> None:
        self._client = client
        self._changed = threading.Event()
        self._services = _watch.Watched(client, core_v1.Service, self._changed)
        self._address: str | None = DEFAULT_ADDRESS
        self._given: dict[_objects.Key, int] = {}
        self._stopping = False
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="load-balancer", daemon=True).start()

    def set(self, address: str | None) -> None:
        """Choose the first address, or the host name; None for no address."""
        self._address = address
        self._changed.set()

    def address_of(self, hostname: str) -> str | None:
        """Return the cluster address of the Service with this host name."""
        for service in self._services.all().values():
            if _status(service) == [{"hostname": hostname}]:
                return service["spec"]["clusterIP"]
        return None

    def check(self) -> None:
        """Raise `ComponentError` if the thread ended."""
        if self._error:
            problem = f"the load balancer died: {self._error!r}"
            raise _process.ComponentError(problem) from self._error

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._services.stop()
        self._changed.set()

    def _run(self) -> None:
        while not self._stopping:
            self._changed.wait(5.0)
            self._changed.clear()
            try:
                self._assign()
            except (exceptions.ApiError, httpx2.HTTPError):
                time.sleep(0.2)
                self._changed.set()
            except Exception as error:
                self._error = error
                return

    def _assign(self) -> None:
        services = self._services.all()
        load_balancers = {
            key: service
            for key, service in services.items()
            if service["spec"].get("type") == "LoadBalancer"
        }
        self._given = {key: place for key, place in self._given.items() if key in load_balancers}
        for key in sorted(
            load_balancers, key=lambda key: load_balancers[key]["metadata"]["creationTimestamp"]
        ):
            used = set(self._given.values())
            free = next(place for place in range(250) if place not in used)
            ingress = self._ingress(self._given.setdefault(key, free))
            if not self._stopping and _status(load_balancers[key]) != ingress:
                # An entry has either an address or a name, so the complete list is replaced.
                patch = {"status": {"loadBalancer": {"ingress": ingress}}}
                _objects.patch(
                    self._client, core_v1.ServiceStatus, key, patch, types.PatchType.MERGE
                )

    def _ingress(self, place: int) -> list[dict[str, Any]]:
        if not self._address:
            return []
        try:
            first = ipaddress.ip_address(self._address)
        except ValueError:
            return [{"hostname": self._address}]
        return [{"ip": str(first + place), "ipMode": "VIP"}]


def _status(service: _objects.Object) -> list[_objects.Object]:
    return _objects.sequence(service, "status", "loadBalancer", "ingress")
