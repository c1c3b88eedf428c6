# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import dataclasses
import json

from cosl import DashboardPath40UID, LZMABase64
from istio_ambient.interfaces import grafana_dashboard, prometheus_scrape

TOPOLOGY = prometheus_scrape.Topology("mesh", "uuid", "istio", "istio/0", "istio-k8s")
PATH = "src/grafana_dashboards/nodes.json"


def test_a_dashboard_and_where_its_metrics_come_from():
    databag = grafana_dashboard.dump(TOPOLOGY, {PATH: '{"title": "Nodes"}'})
    assert set(databag) == {"dashboards"}
    stored = json.loads(databag["dashboards"])
    template = stored["templates"]["file:nodes"]
    assert LZMABase64.decompress(template.pop("content")) == '{"title": "Nodes"}'
    assert DashboardPath40UID.is_valid(template.pop("dashboard_alt_uid"))
    assert template == {
        "charm": "istio-k8s",
        "inject_dropdowns": True,
        "juju_topology": {
            "model": "mesh",
            "model_uuid": "uuid",
            "application": "istio",
            "unit": "istio/0",
        },
    }


def test_the_uuid_changes_with_the_dashboards_only():
    def uuid(text: str, topology: prometheus_scrape.Topology = TOPOLOGY) -> str:
        databag = grafana_dashboard.dump(topology, {PATH: text})
        return json.loads(databag["dashboards"])["uuid"]

    assert uuid("{}") == uuid("{}")
    assert uuid("{}") != uuid("[]")
    assert uuid("{}") != uuid("{}", dataclasses.replace(TOPOLOGY, model="other"))
