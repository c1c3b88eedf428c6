# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab's copy of the objects it acts on, kept current by a thread per kind."""

import threading
import time
from typing import Any

import lightkube
from lightkube.core import resource

from tests.lab import _objects


class Watched:
    """All objects of one kind.

    Args:
        client: To list and watch with.
        kind: The lightkube resource class.
        changed: Set after every change.
    """

    def __init__(
        self,
        client: lightkube.Client,
        kind: type[resource.NamespacedResource] | type[resource.GlobalResource],
        changed: threading.Event,
    ) -> None:
        # lightkube's overloads distinguish kinds by type; here the kind is a value.
        self._client: Any = client
        self._kind: Any = kind
        self._namespace = "*" if issubclass(kind, resource.NamespacedResource) else None
        self._changed = changed
        self._objects: dict[_objects.Key, _objects.Object] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._listed = threading.Event()
        threading.Thread(target=self._run, name=f"watch-{kind.__name__}", daemon=True).start()

    def wait(self, timeout: float = 30.0) -> None:
        """Wait for the first list."""
        if not self._listed.wait(timeout):
            raise TimeoutError(f"{self._kind.__name__} cannot be listed")

    def all(self) -> dict[_objects.Key, _objects.Object]:
        """Return a snapshot; the objects must not be changed."""
        with self._lock:
            return dict(self._objects)

    def get(self, namespace: str, name: str) -> _objects.Object | None:
        """Return one object, None where it does not exist."""
        with self._lock:
            return self._objects.get((namespace, name))

    def stop(self) -> None:
        """Let the thread end with its next event."""
        self._stopping = True

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._list_and_watch()
            except Exception:
                # The version is too old, the connection broke, or the lab ends: list again.
                time.sleep(0.2)

    def _list_and_watch(self) -> None:
        listed: Any = self._client.list(self._kind, namespace=self._namespace)
        objects = {_objects.key(item): item for item in (_plain(found) for found in listed)}
        with self._lock:
            self._objects = objects
        self._listed.set()
        self._changed.set()
        events: Any = self._client.watch(
            self._kind, namespace=self._namespace, resource_version=listed.resourceVersion
        )
        for verb, found in events:
            if self._stopping:
                return
            item = _plain(found)
            with self._lock:
                if verb == "DELETED":
                    self._objects.pop(_objects.key(item), None)
                else:
                    self._objects[_objects.key(item)] = item
            self._changed.set()


def _plain(found: Any) -> _objects.Object:
    return found.to_dict()
