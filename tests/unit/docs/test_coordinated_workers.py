# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the page about coordinated workers says of their policies, with those of the library."""

from typing import Any

import pytest
from canonical_service_mesh.utils import istio
from charmlibs.interfaces import service_mesh as published
from istio_ambient import authorization, kube, resources
from istio_ambient.authorization import evaluator

from tests.unit.authorization.evaluator import samples
from tests.unit.docs import pages

COORDINATOR, WORKERS = "tempo", ("read", "write")
PART = {"app.kubernetes.io/part-of": COORDINATOR}
TO_WORKER = evaluator.Destination.pod("shop", "read-0")


def policies_of_the_coordinator() -> list[dict[str, Any]]:
    """Return the policies between coordinator and workers, as the package makes them."""

    def requested(source: str, **target: Any) -> published.MeshPolicy:
        return published.MeshPolicy(
            source_namespace="shop", source_app_name=source, target_namespace="shop", **target
        )

    pods: dict[str, Any] = {
        "target_selector_labels": PART,
        "target_type": published.PolicyTargetType.unit,
    }
    wanted = [requested(source, **pods) for source in (COORDINATOR, *WORKERS)]
    wanted += [requested(worker, target_app_name=COORDINATOR) for worker in WORKERS]
    made: list[Any] = istio.build_policy_resources_istio(COORDINATOR, "shop", wanted)  # pyright: ignore[reportUnknownMemberType]
    return [kube.manifest_of(each) for each in made]


def decision(source: str, *, hardened: bool = False, **mesh: Any) -> evaluator.Decision:
    """Return what becomes of a connection to a worker's pod, past the waypoint."""
    worker = samples.pod("read-0", "read", "read", labels={**samples.AMBIENT, **PART})
    policies = [*policies_of_the_coordinator(), *(samples.hardened() if hardened else ())]
    changes = {"pods": (worker,), **mesh}
    return samples.verdict(
        *policies, source=source, target=TO_WORKER, changes=changes, port=9080
    ).decision


def test_the_names_are_as_the_page_says():
    names = [each["metadata"]["name"] for each in policies_of_the_coordinator()]
    assert [name.rpartition("-")[0] for name in names] == [
        "tempo-shop-policy-tempo-shop-custom-selector",
        "tempo-shop-policy-read-shop-custom-selector",
        "tempo-shop-policy-write-shop-custom-selector",
        "tempo-shop-policy-read-shop-tempo",
        "tempo-shop-policy-write-shop-tempo",
    ]
    text = (pages.DOCS / "explanation/coordinated-workers.md").read_text()
    assert "`<coordinator>-<model>-policy-<source>-<model>-custom-selector-<hash>`" in text


def test_the_beacon_takes_none_of_them_for_its_own():
    labels = {resources.INSTANCE_LABEL: "tempo-shop", resources.SCOPE_LABEL: "tempo-internal"}
    for manifest in policies_of_the_coordinator():
        manifest["metadata"]["labels"] = labels
        # A beacon that is named after the coordinator's model, in a model of its name.
        for model, app in (("shop", "istio-beacon-k8s"), ("tempo", "shop")):
            assert not resources.identity(model, app).owns(manifest)


@pytest.mark.parametrize("hardened", [False, True])
def test_workers_reach_each_other_and_the_pods_are_closed_to_others(hardened: bool):
    assert decision("shop/write", hardened=hardened) is evaluator.Decision.ALLOWED
    assert decision("shop/grafana", hardened=hardened) is evaluator.Decision.DENIED


def test_another_trust_domain_cuts_workers_off():
    other = authorization.MeshSettings(trust_domain="mesh.example.com")
    assert decision("shop/write", mesh=other) is evaluator.Decision.DENIED


def test_a_unit_policy_of_the_beacon_adds_a_scraper():
    request = authorization.AccessRequest(
        authorization.Requester(COORDINATOR, "service-mesh"),
        "policies[0]",
        authorization.Target.workload("shop", PART),
        authorization.Source("shop", "prometheus"),
        (authorization.Operation(ports=(9080,)),),
    )
    (policy,) = authorization.policies([request], model="shop", app="beacon")
    worker = samples.pod("read-0", "read", "read", labels={**samples.AMBIENT, **PART})
    found = samples.verdict(
        *policies_of_the_coordinator(),
        kube.manifest_of(policy),
        source="shop/prometheus",
        target=TO_WORKER,
        changes={"pods": (worker,)},
        port=9080,
    )
    assert found.decision is evaluator.Decision.ALLOWED
