# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Members of live objects in JSON form, where any may be missing."""

from typing import Any

from istio_ambient import kube
from istio_ambient.authorization.evaluator._snapshot import Manifest

Name = tuple[str, str]
"""Namespace and name."""


def selects(service: Manifest, pod: Manifest) -> bool:
    """Return whether a pod is behind a Service."""
    selector = kube.section(spec(service), "selector")
    same = namespace(pod) == namespace(service)
    return bool(selector) and same and selector.items() <= labels(pod).items()


def address(pod: Manifest) -> str:
    """Return a pod's address; empty: it has none yet."""
    return str(kube.section(pod, "status").get("podIP") or "")


def key(each: Manifest) -> Name:
    """Return namespace and name."""
    return namespace(each), name(each)


def name(each: Manifest) -> str:
    """Return the name."""
    return each["metadata"]["name"]


def namespace(each: Manifest) -> str:
    """Return the namespace."""
    return each["metadata"].get("namespace", "")


def labels(each: Manifest) -> dict[str, str]:
    """Return the labels."""
    return each["metadata"].get("labels") or {}


def spec(each: Manifest) -> dict[str, Any]:
    """Return the spec."""
    return kube.section(each, "spec")
