# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What istiod reports, read from recorded and from hostile answers."""

import json
from typing import Any

import hypothesis
from hypothesis import strategies as st
from istio_ambient import acceptance

from tests.unit.acceptance import samples

KEYS = st.sampled_from(
    [
        "proxy",
        "proxy_type",
        "resources",
        "sent",
        "acked",
        "sentTime",
        "lastError",
        "x.Listener",
        "rootNamespace",
        "extensionProviders",
        "name",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def test_proxies_are_read_with_what_they_acknowledged():
    by_type = {proxy.type: proxy for proxy in samples.report().proxies}
    assert by_type.keys() == {"ztunnel", "router", "waypoint"}
    assert by_type["ztunnel"].name == "details-0"
    assert {proxy.namespace for proxy in by_type.values()} == {"shop"}
    kinds = {each.kind for each in by_type["router"].acknowledgements}
    assert kinds == {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}
    assert all(each.is_current for p in by_type.values() for each in p.acknowledgements)


def test_words_of_a_proxy_that_refuses_are_kept():
    (router,) = [p for p in samples.report("gateway-refuses-routes").proxies if p.type == "router"]
    refused = [each for each in router.acknowledgements if not each.is_current]
    assert [each.kind for each in refused] == ["RouteConfiguration"]
    assert refused[0].error == "missing ): /a("


def test_the_mesh_config_is_read():
    config = acceptance.read_mesh_config(samples.text("mesh"))
    assert config is not None
    assert config.root_namespace == "mesh"
    assert config.providers >= {"prometheus", "envoy"}


@hypothesis.given(JSON | st.lists(JSON, max_size=3))
def test_no_answer_makes_it_fail(answer: Any):
    text = json.dumps(answer)
    proxies, config = acceptance.read_proxies(text), acceptance.read_mesh_config(text)
    assert (proxies is None) == (not isinstance(answer, list))
    assert (config is None) == (not isinstance(answer, dict))
    report = acceptance.Report("", now=samples.LATER, mesh_config=config, proxies=proxies or ())
    list(acceptance.proxy_findings([report], samples.WAYPOINT, {}))
    list(acceptance.ztunnel_findings([report]))
    list(acceptance.mesh_findings([report], "marker", hardened=True, late=True))
    acceptance.enforcements([{"metadata": {"name": "a", "namespace": "shop"}}], [report], {})


def test_what_is_no_json_is_no_answer():
    for text in ("", "<html>", "[" * 100_000):
        assert acceptance.read_proxies(text) is None
        assert acceptance.read_mesh_config(text) is None
