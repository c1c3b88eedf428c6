# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What others wrote into the cluster makes no condition raise, and no row unprintable."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import manifests, preflight
from istio_ambient.preflight import _network_policies, check_rows

from tests.unit.preflight import clusters
from tests.unit.preflight.clusters import daemon_set

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


def members(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings in which each of these members may be anything, or absent."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


CILIUM = st.dictionaries(
    st.sampled_from(
        [
            "cni-exclusive",
            "bpf-lb-sock",
            "enable-host-legacy-routing",
            "enable-bpf-masquerade",
            "enable-policy",
            "kube-proxy-replacement",
            "cni-chaining-mode",
        ]
    ),
    st.text(max_size=8),
)
FELIX = members("bpfEnabled", "bpfConnectTimeLoadBalancing", "bpfConnectTimeLoadBalancingEnabled")
NETWORK = st.fixed_dictionaries(
    {}, optional={"spec": JSON | members("defaultNetwork", "ovnKubernetesConfig")}
)
PROBES = st.fixed_dictionaries(
    {},
    optional={
        "spec": JSON | members("endpointSelector", "ingress"),
        "specs": JSON | st.lists(members("endpointSelector", "ingress"), max_size=2),
    },
)


@pytest.mark.slow
@given(CILIUM, FELIX, st.text(max_size=12), NETWORK, st.lists(PROBES, max_size=2))
def test_no_content_makes_a_condition_raise(
    cilium: dict[str, str],
    felix: dict[str, Any],
    tag: str,
    network: dict[str, Any],
    probes: list[dict[str, Any]],
):
    agents = daemon_set("calico-node", "calico-system", f"example/node:{tag}")
    around = preflight.Surroundings(
        cilium=preflight.Cilium(cilium, admits_probes=preflight.admits_probes(probes)),
        calico=preflight.calico_of(agents, felix),
        routes_via_host=preflight.routes_via_host(network),
        pod_security=tag,
        other_istios=(f"Deployment {tag}/istiod",),
    )
    policies = preflight.NetworkPolicies()
    cluster = preflight.Cluster(around, manifests.Config(), "istio-system", "istio-k8s", policies)
    found = check_rows.rows(preflight.CONDITIONS, cluster, check_rows.Installed(), NOW)
    assert {each.name for each in preflight.CONDITIONS} <= {row.name for row in found}
    assert all(line.isprintable() for line in check_rows.text(found).split("\n"))


def test_a_tenant_with_many_policies_costs_what_a_few_hundred_do(monkeypatch: pytest.MonkeyPatch):
    calls = 0
    covers: Any = _network_policies._covers  # pyright: ignore[reportPrivateUsage]

    def counted(selector: Any, other: Any) -> bool:
        nonlocal calls
        calls += 1
        return covers(selector, other)

    monkeypatch.setattr(_network_policies, "_covers", counted)
    many = [clusters.policy(f"p-{n}", selector=clusters.web(app=str(n))) for n in range(3_000)]
    same = [clusters.policy(f"s-{n}", where="store") for n in range(3_000)]
    found = preflight.NetworkPolicies((*many, *same), frozenset({"shop", "store"}))
    around = preflight.Surroundings()
    cluster = preflight.Cluster(around, manifests.Config(), "istio-system", "istio-k8s", found)
    rows = check_rows.rows(preflight.CONDITIONS, cluster, check_rows.Installed(), NOW)
    (row,) = (row for row in rows if row.name == "policies-probes")
    assert row.problem is not None and "shop/p-0" in row.problem.where
    # At most three passes: both directions of one condition, one of the other.
    assert calls <= 3 * (_network_policies.MAX_SELECTORS**2 + 1)
