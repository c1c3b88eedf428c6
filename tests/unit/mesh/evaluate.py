# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A plain reading of ALLOW policies: enough to tell whether access got wider."""

from collections.abc import Iterable
from typing import Any

from istio_ambient import kube


def allowed(policies: Iterable[Any], target: str, principal: str, **request: str) -> bool:
    """Tell whether a request passes: `target` is a Service's name or `key=value` of pods.

    A target that no policy speaks of is open.
    """
    specs = [kube.manifest_of(policy)["spec"] for policy in policies]
    mine = [spec for spec in specs if target in _targets(spec)]
    return not mine or any(
        _matches(rule, principal, request) for spec in mine for rule in spec.get("rules", [])
    )


def _targets(spec: dict[str, Any]) -> list[str]:
    labels: dict[str, str] = spec.get("selector", {}).get("matchLabels", {})
    if labels:
        return [",".join(f"{key}={value}" for key, value in sorted(labels.items()))]
    return [ref["name"] for ref in spec["targetRefs"]]


def _matches(rule: dict[str, Any], principal: str, request: dict[str, str]) -> bool:
    if "from" in rule:
        principals = [name for item in rule["from"] for name in item["source"]["principals"]]
        if principal not in principals:
            return False
    if "to" not in rule:
        return True
    return any(
        all(
            request.get(key.removesuffix("s")) in values
            for key, values in item["operation"].items()
        )
        for item in rule["to"]
    )
