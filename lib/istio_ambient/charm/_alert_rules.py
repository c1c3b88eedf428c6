# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Alert rules as the charm's files hold them, made to speak of one application's metrics only."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from istio_ambient.interfaces import cos

PLACEHOLDER = "%%juju_topology%%"
"""Stands in each metric's selector for the labels that Prometheus gives our metrics."""


def rules_of(topology: cos.Topology, files: Iterable[str]) -> dict[str, Any]:
    """Return the rule groups of all files, for Prometheus.

    Args:
        topology: where the metrics come from: into every selector and onto every alert.
        files: YAML texts of rule files of our own; never foreign data.
    """
    labels = {
        "juju_model": topology.model,
        "juju_model_uuid": topology.model_uuid,
        "juju_application": topology.application,
    }
    selector = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    prefix = f"{topology.model}_{topology.model_uuid[:8]}_{topology.application}"
    loaded = [yaml.safe_load(text) for text in files]
    return {
        "groups": [
            {
                **group,
                "name": f"{prefix}_{group['name']}_alerts",
                "rules": [
                    _rule(rule, selector, {**labels, "juju_charm": topology.charm_name})
                    for rule in group["rules"]
                ],
            }
            for document in loaded
            for group in document["groups"]
        ]
    }


def _rule(rule: Mapping[str, Any], selector: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        **rule,
        "expr": rule["expr"].replace(PLACEHOLDER, selector),
        "labels": {**labels, **rule.get("labels", {})},
    }
