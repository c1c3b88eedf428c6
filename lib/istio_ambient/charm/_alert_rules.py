# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Alert rules of a charm's files, restricted to the metrics of one application."""

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from istio_ambient.interfaces import cos
from istio_ambient.values import documentation

PLACEHOLDER = "%%juju_topology%%"
"""Placeholder in each selector of a rule file, for the labels that Prometheus adds to metrics."""


def rules_of(topology: cos.Topology, files: Iterable[str]) -> dict[str, Any]:
    """Return the rule groups of all files in one document, for Prometheus.

    The topology becomes part of every selector, so that an alert is about this application only,
    and of the labels of every alert. Names of groups are unique in a Prometheus that several
    applications send rules to.

    Args:
        topology: the application that the metrics come from.
        files: the YAML text of the charm's rule files; never foreign data.
    """
    labels = {
        "juju_model": topology.model,
        "juju_model_uuid": topology.model_uuid,
        "juju_application": topology.application,
    }
    selector = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    prefix = f"{topology.model}_{topology.model_uuid[:8]}_{topology.application}"
    labels["juju_charm"] = topology.charm_name
    groups = (group for text in files for group in yaml.safe_load(text)["groups"])
    return {
        "groups": [
            {
                **group,
                "name": f"{prefix}_{group['name']}_alerts",
                "rules": [*map(functools.partial(_rule, selector, labels), group["rules"])],
            }
            for group in groups
        ]
    }


def _rule(selector: str, labels: Mapping[str, str], rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **rule,
        "expr": rule["expr"].replace(PLACEHOLDER, selector),
        "labels": {**labels, **rule.get("labels", {})},
        "annotations": {
            **rule["annotations"],
            "runbook_url": documentation.link(documentation.RUNBOOKS, rule["alert"]),
        },
    }
