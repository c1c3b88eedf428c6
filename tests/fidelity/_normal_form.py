# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A normal form for objects that Kubernetes treats as equal: a flat mapping of path to value."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml
from lightkube.utils import quantity

from tests.lab import _mesh_configs

Flat = dict[str, Any]

LIST_KEYS = ("name", "mountPath", "key", "scopeName")
"""The fields that identify the elements of a list, whose order then has no meaning."""

UNORDERED = {"verbs", "apiGroups", "resources", "operations", "add", "drop"}

DEFAULTS: dict[tuple[str, ...], Any] = {
    ("fieldRef", "apiVersion"): "v1",
    ("configMap", "defaultMode"): 420,
    ("service", "port"): 443,
    ("webhooks", "reinvocationPolicy"): "Never",
}
"""The last two names of a path → the value that the API server fills in."""

QUANTITIES = {"limits", "requests", "hard"}


@functools.cache
def _as_istiod_reads(mesh_config: str) -> Mapping[str, Any]:
    """Return the MeshConfig that istiod makes of a text, its defaults included.

    Another reader of YAML has other values: `y`, `1e3` and `0o17` are no strings to istiod.
    """
    (verdict,) = _mesh_configs.verdicts([mesh_config])
    assert not verdict.error, verdict.error
    return verdict.mesh


TEXTS = {
    ("ConfigMap", "istio", "mesh"): _as_istiod_reads,
    ("ConfigMap", "istio", "meshNetworks"): yaml.safe_load,
    ("ConfigMap", "istio-cni-config", "AMBIENT_ENABLEMENT_SELECTOR"): yaml.safe_load,
    ("ConfigMap", "istio-sidecar-injector", "values"): json.loads,
}
"""Texts with a structure of their own: (kind, name, key) → the parser."""


def identity(manifest: Mapping[str, Any]) -> str:
    """Return `<kind>/<namespace>/<name>`, or `<kind>/<name>`."""
    metadata = manifest["metadata"]
    return "/".join(filter(None, (manifest["kind"], metadata.get("namespace"), metadata["name"])))


def flatten(manifest: Mapping[str, Any]) -> Flat:
    """Return the leaves of an object by their path."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    result: Flat = {}
    for key, value in manifest.items():
        if key == "rules" and "Role" in kind:
            result |= {f"rules[{permission}]": True for permission in _permissions(value)}
        elif key == "data":
            for entry, text in value.items():
                read = TEXTS.get((kind, name, entry))
                result |= _leaves(read(text) if read else text, ("data", entry))
        else:
            result |= _leaves(value, (key,))
    return result


def _permissions(rules: list[dict[str, list[str]]]) -> Iterator[str]:
    """Yield each permission separately: the grouping into rules has no meaning."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    target = f"{resource}.{group}" if group else resource
                    target += f"/{name}" if name else ""
                    yield from (f"{verb} {target}" for verb in rule["verbs"])


def _leaves(node: Any, path: tuple[str, ...]) -> Flat:
    if isinstance(node, dict):
        items = cast(dict[str, Any], node).items()
        return _merged(_leaves(value, (*path, key)) for key, value in items) or _empty(path)
    if isinstance(node, list):
        return _merged(_elements(cast(list[Any], node), path))
    if node is None:
        return _empty(path)
    if DEFAULTS.get(path[-2:]) == node:
        return {}
    if len(path) > 1 and path[-2] in QUANTITIES:
        return {".".join(path): quantity.parse_quantity(str(node))}
    return {".".join(path): node}


def _empty(path: tuple[str, ...]) -> Flat:
    """Return the leaf of an empty map: none, except for the kind of a volume."""
    return {".".join(path): {}} if path[-1] == "emptyDir" else {}


def _elements(items: list[Any], path: tuple[str, ...]) -> Iterator[Flat]:
    for key in LIST_KEYS:
        names = [_name(item, key) for item in items]
        if None not in names and len(set(names)) == len(names):
            for name, item in zip(names, items, strict=True):
                yield _leaves(_without_defaults(item, path), (*path[:-1], f"{path[-1]}[{name}]"))
            return
    if path[-1] in UNORDERED:
        items = sorted(items)
    for index, item in enumerate(items):
        yield _leaves(item, (*path[:-1], f"{path[-1]}[{index}]"))


def _name(item: Any, key: str) -> Any:
    return cast(dict[str, Any], item).get(key) if isinstance(item, dict) else None


def _without_defaults(item: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Drop the defaults that the API server derives from the element itself."""
    if path[-1] != "ports":
        return item
    defaults = {"protocol": "TCP", "targetPort": item.get("port")}
    return {key: value for key, value in item.items() if value != defaults.get(key, item)}


def _merged(parts: Iterator[Flat]) -> Flat:
    result: Flat = {}
    for part in parts:
        result |= part
    return result
