# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

import msgspec
from cosl import DashboardPath40UID, LZMABase64
from istio_ambient.interfaces import cos

TOPOLOGY = cos.Topology("mesh", "uuid", "istio", "istio/0", "istio-k8s")
PATH = "src/grafana_dashboards/nodes.json"


def test_one_job_scrapes_the_port_of_every_unit():
    topology = cos.Topology("shop", "uuid", "beacon", "beacon/0", "istio-beacon-k8s")
    databag = cos.dump_scrape(topology, 15090)
    assert {key: json.loads(text) for key, text in databag.items()} == {
        "scrape_jobs": [{"static_configs": [{"targets": ["*:15090"]}]}],
        "scrape_metadata": {
            "model": "shop",
            "model_uuid": "uuid",
            "application": "beacon",
            "unit": "beacon/0",
            "charm_name": "istio-beacon-k8s",
        },
    }


def test_a_unit_publishes_its_address_in_plain_strings():
    assert cos.dump_scrape_unit(unit="beacon/0", address="10.1.2.3", fqdn="beacon-0.x") == {
        "prometheus_scrape_unit_address": "10.1.2.3",
        "prometheus_scrape_unit_name": "beacon/0",
        "prometheus_scrape_unit_path": "",
        "prometheus_scrape_unit_fqdn": "beacon-0.x",
    }


def test_a_dashboard_and_the_topology_of_its_metrics():
    databag = cos.dump_dashboards(TOPOLOGY, {PATH: '{"title": "Nodes"}'})
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
    def uuid(text: str, topology: cos.Topology = TOPOLOGY) -> str:
        databag = cos.dump_dashboards(topology, {PATH: text})
        return json.loads(databag["dashboards"])["uuid"]

    assert uuid("{}") == uuid("{}")
    assert uuid("{}") != uuid("[]")
    assert uuid("{}") != uuid("{}", msgspec.structs.replace(TOPOLOGY, model="other"))
