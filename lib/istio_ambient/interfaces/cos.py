# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The interfaces of the Canonical Observability Stack, provider side: metrics and dashboards.

`prometheus_scrape`: the application databag holds JSON: `scrape_jobs`, `alert_rules` and
`scrape_metadata`. Each unit's databag holds plain strings; the requirer puts the unit's address
where a job's target says `*`.

`grafana_dashboard`: the application databag holds `dashboards`: JSON of `templates`, each
dashboard compressed with LZMA and encoded in base64, and a `uuid` that changes when they do.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec


class Topology(msgspec.Struct, frozen=True):
    """The source of metrics, in Juju's terms."""

    model: str
    model_uuid: str
    application: str
    unit: str
    charm_name: str


def dump_scrape(
    topology: Topology, port: int, alert_rules: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the application databag of `prometheus_scrape` for one job that scrapes every unit.

    Args:
        topology: the source of the metrics.
        port: serves metrics, on every unit.
        alert_rules: groups of rules as in Prometheus' rule files; None leaves the key out.
    """
    jobs = [{"static_configs": [{"targets": [f"*:{port}"]}]}]
    databag = {
        "scrape_jobs": json.dumps(jobs),
        "scrape_metadata": json.dumps(msgspec.structs.asdict(topology), sort_keys=True),
    }
    if alert_rules is not None:
        databag["alert_rules"] = json.dumps(alert_rules, sort_keys=True)
    return databag


def dump_scrape_unit(*, unit: str, address: str, fqdn: str) -> dict[str, str]:
    """Return the databag of one unit of `prometheus_scrape`.

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


def dump_dashboards(topology: Topology, dashboards: Mapping[str, str]) -> dict[str, str]:
    """Return the application databag of `grafana_dashboard`: the same for the same dashboards.

    Args:
        topology: the source of the metrics; Grafana's charm adds variables to choose by it.
        dashboards: JSON text of each dashboard, by its path in the charm.
    """
    # It takes longer to import than any other library of a hook, most of which publish none.
    from cosl import DashboardPath40UID, LZMABase64

    source = msgspec.structs.asdict(topology)
    charm_name = source.pop("charm_name")
    names = {path: path.rpartition("/")[2].partition(".")[0] for path in sorted(dashboards)}
    templates = {
        f"file:{names[path]}": {
            "charm": charm_name,
            "content": LZMABase64.compress(dashboards[path]),
            "juju_topology": source,
            "inject_dropdowns": True,
            "dashboard_alt_uid": DashboardPath40UID.generate(charm_name, path),
        }
        for path in names
    }
    content = json.dumps(templates, sort_keys=True)
    stored = {"templates": templates, "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, content))}
    return {"dashboards": json.dumps(stored, sort_keys=True)}
