# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the preflight reads costs few requests, and tenants do not decide about it."""

from typing import Any
from unittest import mock

import pytest
from istio_ambient import kube, manifests, preflight, resources
from istio_ambient.cluster import surroundings
from lightkube.resources.core_v1 import Pod

from tests.unit.preflight import clusters
from tests.unit.whole_charm.fake_cluster import FakeCluster

IDENTITY = resources.identity("istio-system", "istio-k8s")


def reads(objects: list[Any], *, everything: bool = False) -> list[str]:
    """Return the requests with which a cluster is read; all that `check` reads too."""
    cluster = FakeCluster(objects)
    client: Any = cluster
    with mock.patch.object(kube, "server_version", mock.Mock(return_value=(1, 34))):
        surroundings.read(client, kube.Live(IDENTITY, ()))
    if everything:
        surroundings.read_policies(client)
        surroundings.read_probe_policies(client)
    return cluster.reads


def large(size: int) -> list[Any]:
    """Return a cluster with so many of everything that is read."""
    return [
        each
        for n in range(size)
        for each in (
            clusters.obj("Node", f"node-{n}", spec={}),
            clusters.meshed(f"shop-{n}"),
            clusters.policy(where=f"shop-{n}"),
            clusters.pod(f"other-{n}", app="web"),
            clusters.istio(f"old-{n}"),
            *clusters.cilium(clusters.REPLACING, f"cilium-{n}"),
        )
    ]


@pytest.mark.parametrize("everything", [False, True])
def test_the_number_of_requests_does_not_depend_on_the_size_of_the_cluster(everything: bool):
    few = reads(large(1), everything=everything)
    assert reads(large(100), everything=everything) == few


def test_kinds_of_a_product_are_read_where_it_is():
    assert not [each for each in reads(large(1)) if "FelixConfiguration" in each]
    assert "list FelixConfiguration where metadata.name=default" in reads(clusters.calico())
    assert "list SecurityGroupPolicy" in reads(clusters.eks({"ENABLE_POD_ENI": "true"}))
    assert "list SecurityGroupPolicy" not in reads(clusters.eks({}))
    assert "list Network where metadata.name=cluster" in reads(clusters.ovn())
    # A plain cluster: node, CNIs, Cilium's ConfigMap and the namespace beside what is older.
    plain = reads([clusters.node()])
    assert [each for each in plain if "CustomResourceDefinition" not in each] == [
        "list Node",
        "list DaemonSet",
        "list ConfigMap where metadata.name=cilium-config",
        "list Namespace where metadata.name=istio-system",
        "list Deployment",
        "list ValidatingWebhookConfiguration",
        "list MutatingWebhookConfiguration",
    ]


def test_what_a_tenant_names_like_a_cni_is_none():
    tenants = [
        clusters.daemon_set(label, "shop", "example/x:v3.0.0", FELIX_BPFENABLED="true")
        for label in preflight.AGENTS
        if label != preflight.CILIUM
    ]
    tenants.append(clusters.obj("ConfigMap", "cilium-config", "shop", data={"cni-exclusive": "1"}))
    around = clusters.read(tenants).around
    assert around.agents == frozenset()
    assert (around.cilium, around.calico, around.security_groups) == (None, None, None)


class Faulty(FakeCluster):
    """A cluster in which kinds of CNIs cannot be listed."""

    def list(self, res: Any, **selectors: Any) -> Any:
        found = super().list(res, **selectors)
        if issubclass(res, resources.Cluster | resources.Namespaced):
            raise kube.RequestError("list", "the server is currently unable", 503, transient=True)
        return found


@pytest.mark.parametrize(
    "objects",
    [
        clusters.calico(bpfEnabled=True),
        clusters.eks({"ENABLE_POD_ENI": "true"}),
        clusters.ovn(),
        clusters.cilium({**clusters.GOOD_CILIUM, "enable-policy": "always"}),
    ],
)
def test_an_api_of_a_cni_that_does_not_answer_delays_no_hook(objects: list[Any]):
    client: Any = Faulty(objects)
    with mock.patch.object(kube, "server_version", mock.Mock(return_value=(1, 34))):
        around = surroundings.read(client, kube.Live(IDENTITY, ()))
    cluster = preflight.Cluster(around, manifests.Config(), "istio-system", "istio-k8s")
    assert preflight.findings(cluster) == preflight.Findings((), (), ())
    assert clusters.codes(clusters.read(objects))


def answering(code: int, message: str) -> Any:
    """Return a client whose dry runs fail."""

    def patch(kind: Any, name: str, obj: Any, **options: Any) -> Any:
        assert kind is Pod
        assert options["dry_run"]
        raise kube.RequestError("create", message, code)

    return mock.Mock(patch=patch)


POD_SECURITY = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes'


@pytest.mark.parametrize(
    ("code", "message", "refused"),
    [
        (403, POD_SECURITY, True),
        (403, 'admission webhook "policy.example" denied the request: no', True),
        # These say nothing about pods of the control plane.
        (400, 'admission webhook "x" does not support dry run', False),
        (403, 'pods is forbidden: User "x" cannot patch resource "pods" in API group ""', False),
        (500, "no", False),
    ],
)
def test_a_dry_run_says_why_pods_may_not_be_created(code: int, message: str, refused: bool):
    found = surroundings.pod_refusal(answering(code, message), IDENTITY)
    assert found == (message if refused else "")


def test_a_dry_run_that_succeeds_creates_nothing():
    cluster = FakeCluster([])
    client: Any = cluster
    assert surroundings.pod_refusal(client, IDENTITY) == ""
    assert (cluster.requests, cluster.manifests) == ([], {})
