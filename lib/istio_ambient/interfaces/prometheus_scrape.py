# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `prometheus_scrape` interface, provider side: what Prometheus is to scrape.

The application databag holds JSON: `scrape_jobs`, `alert_rules` and `scrape_metadata`. Each unit's
databag holds plain strings; the requirer puts the unit's address where a job's target says `*`.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Topology:
    """Where metrics come from, in Juju's terms."""

    model: str
    model_uuid: str
    application: str
    unit: str
    charm_name: str


def dump_app(
    topology: Topology, port: int, alert_rules: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the application databag for one job that scrapes `port` of every unit.

    Args:
        topology: where the metrics come from.
        port: serves metrics, on every unit.
        alert_rules: groups of rules as in Prometheus' rule files; None leaves the key out.
    """
    jobs = [{"static_configs": [{"targets": [f"*:{port}"]}]}]
    databag = {
        "scrape_jobs": json.dumps(jobs),
        "scrape_metadata": json.dumps(dataclasses.asdict(topology), sort_keys=True),
    }
    if alert_rules is not None:
        databag["alert_rules"] = json.dumps(alert_rules, sort_keys=True)
    return databag


def dump_unit(*, unit: str, address: str, fqdn: str) -> dict[str, str]:
    """Return the databag of one unit.

    Args:
        unit: its name, such as `beacon/0`.
        address: its IP address.
        fqdn: the name by which it resolves in the cluster.
    """
    return {
        "prometheus_scrape_unit_address": address,
        "prometheus_scrape_unit_name": unit,
        "prometheus_scrape_unit_path": "",
        "prometheus_scrape_unit_fqdn": fqdn,
    }
