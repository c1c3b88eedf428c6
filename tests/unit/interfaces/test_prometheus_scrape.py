# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

from istio_ambient.interfaces import prometheus_scrape


def test_one_job_scrapes_the_port_of_every_unit():
    topology = prometheus_scrape.Topology("shop", "uuid", "beacon", "beacon/0", "istio-beacon-k8s")
    databag = prometheus_scrape.dump_app(topology, 15090)
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


def test_a_unit_says_where_it_is_in_plain_strings():
    assert prometheus_scrape.dump_unit(unit="beacon/0", address="10.1.2.3", fqdn="beacon-0.x") == {
        "prometheus_scrape_unit_address": "10.1.2.3",
        "prometheus_scrape_unit_name": "beacon/0",
        "prometheus_scrape_unit_path": "",
        "prometheus_scrape_unit_fqdn": "beacon-0.x",
    }
