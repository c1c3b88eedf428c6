# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""kwok's Stages: the life of pods that are simulated."""

import pathlib
import re
from typing import Any

import yaml

from tests.lab import _binaries, _workloads

_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat/node-heartbeat.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
_IMAGE_FAULT_STATUS = """
phase: Pending
conditions:
- type: Initialized
  status: "True"
  lastTransitionTime: {{ .metadata.creationTimestamp | Quote }}
- type: Ready
  status: "False"
  reason: ContainersNotReady
  lastTransitionTime: {{ .metadata.creationTimestamp | Quote }}
- type: ContainersReady
  status: "False"
  reason: ContainersNotReady
  lastTransitionTime: {{ .metadata.creationTimestamp | Quote }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state:
    waiting:
      reason: ImagePullBackOff
      message: {{ printf "Back-off pulling image %q" .image | Quote }}
{{ end }}
"""


def stage_definition() -> dict[str, Any]:
    """Return kwok's CustomResourceDefinition of Stage."""
    path = _binaries.folder() / "crd" / "kwok.x-k8s.io_stages.yaml"
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def stages() -> list[dict[str, Any]]:
    """Return kwok's own fast Stages; those for pods exclude real pods."""
    folder = _binaries.folder() / "stage"
    found: list[dict[str, Any]] = []
    for name in _STAGES:
        stage: dict[str, Any] = yaml.load(pathlib.Path(folder, name).read_text(), yaml.CSafeLoader)
        if stage["spec"]["resourceRef"]["kind"] == "Pod":
            stage["spec"]["selector"]["matchExpressions"] += _workloads.NOT_REAL
        found.append(stage)
    return found


def image_fault(name: str, pattern: str) -> dict[str, Any]:
    """Return a Stage that keeps pods with such an image waiting; it takes precedence by weight."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    key = f".spec.containers.[] | select( .image | test({_quote(f'^{expression}$')}) ) | .image"
    selector = [
        {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
        {"key": ".status.phase", "operator": "In", "values": ["Pending"]},
        {"key": key, "operator": "Exists"},
        *_workloads.NOT_REAL,
    ]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": selector},
            "weight": 1000,
            "next": {"statusTemplate": _IMAGE_FAULT_STATUS},
        },
    }


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
