# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""istiod's debug interface, over the objects of a fake cluster.

istiod uses the MeshConfig that is applied, and a proxy of each pod that works has acknowledged
everything. An annotation of the EndpointSlice makes it worse, see `FAULTS`.
"""

import datetime
import json
from typing import Any

import yaml
from istio_ambient.cluster.acceptance import Answer

from tests.unit.whole_charm.fake_cluster import FakeCluster

FAULTS = "test/istiod"
"""Annotation: `silent`, `silent once`, `foreign`, `dropped`, `disconnected`, or the words of every
proxy."""
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class FakeIstiod:
    """Answers in the place of `istio_ambient.cluster.acceptance.get`."""

    def __init__(self, cluster: FakeCluster):
        self._cluster = cluster
        self._requests = 0

    @property
    def patience(self) -> float:
        """Seconds for which the charms wait for it: none, unless another answer comes at once."""
        return 5.0 if self._fault == "silent once" else 0.0

    @property
    def _fault(self) -> str:
        slices = self._of("EndpointSlice")
        metadata: dict[str, Any] = slices[0]["metadata"] if slices else {}
        return str(metadata.get("annotations", {}).get(FAULTS, ""))

    def get(self, _: object, address: str, path: str, token: str) -> Answer:
        """Answer one request."""
        fault = self._fault
        self._requests += 1
        if fault == "silent once":
            fault = "silent" if self._requests == 1 else ""
        if fault == "silent":
            return Answer()
        if fault == "foreign":
            return Answer(403)
        if path == "mesh":
            return Answer(200, json.dumps({} if fault == "dropped" else self._mesh()), NOW)
        words = "" if fault in ("dropped", "disconnected") else fault
        proxies = [] if fault == "disconnected" else self._proxies(words)
        return Answer(200, json.dumps(proxies), NOW)

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self._cluster.manifests.values() if each["kind"] == kind]

    def _mesh(self) -> Any:
        maps = [each for each in self._of("ConfigMap") if each["metadata"]["name"] == "istio"]
        return yaml.safe_load(maps[0].get("data", {}).get("mesh", "")) if maps else {}

    def _proxies(self, words: str) -> list[dict[str, Any]]:
        status = {"sent": "2", "acked": "1", "lastError": words} if words else {}
        return [
            {
                "proxy": f"{metadata['name']}-5d4-{number}.{metadata['namespace']}",
                "proxy_type": "waypoint",
                "resources": {LISTENER: status},
            }
            for workload in self._of("Deployment")
            for metadata in [workload["metadata"]]
            for number in range(workload.get("status", {}).get("availableReplicas", 0))
        ]
