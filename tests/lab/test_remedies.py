# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Each remedy that `explain` prints is typed, and the request passes afterwards."""

import contextlib
import dataclasses
import json
from collections.abc import Generator
from typing import Any

import pytest
from istio_ambient import resources
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests import lab
from tests.lab import beacon, bookshop, conftest, juju
from tests.lab.beacon import APP, UNIT

MESH = f"{APP}:service-mesh"
MOST_ROUNDS = 3
"""A remedy may be for the first proxy that denies, and the next result for the one behind it."""


@dataclasses.dataclass(frozen=True)
class Site:
    """Two models: the beacon with its applications, and one that consumes an offer."""

    shop: beacon.Shop
    away: juju.Model
    control_plane: juju.Model

    def settle(self) -> None:
        for model in (self.control_plane, self.shop.model, self.away):
            model.settle()
        self.shop.cluster.wait_synced()


@dataclasses.dataclass(frozen=True)
class Denial:
    """A request that is denied, and how that comes about."""

    source: str = "productpage"
    """`away/…` is of the other model."""
    target: str = "details"
    method: str = "GET"
    port: int = bookshop.PORT
    mesh: bool = True
    """Whether the source is integrated with the beacon."""
    related: bool = True
    """Whether the source is integrated with the target."""
    hardened: bool = False
    auto_allow: bool = True
    managed: bool = True
    deny: bool = False
    unreadable: bool = False
    first: str = ""
    """How the first remedy begins."""
    solves: bool = True
    """Whether the remedies that are no alternatives suffice."""


DENIALS = {
    "not requested": Denial(related=False, first="no application requests it"),
    "not on the mesh": Denial(mesh=False, first="put productpage on the mesh"),
    "wrong method": Denial(method="DELETE", first="details requests GET", solves=False),
    "hardened mode": Denial(
        source="details",
        target="productpage",
        related=False,
        hardened=True,
        first="no application requests it",
        solves=False,
    ),
    "managed off": Denial(managed=False, hardened=True, first="turn access requests into"),
    "auto-allow off": Denial(auto_allow=False, hardened=True, first="allow waypoints to reach"),
    "foreign DENY": Denial(deny=True, first="a DENY policy takes precedence"),
    "unreadable": Denial(unreadable=True, first="requests of details cannot", solves=False),
    "cross-model": Denial(source="away/front", related=False, first="put away/front on the mesh"),
    "no application": Denial(
        source="away/robot", related=False, first="away/robot is no Juju", solves=False
    ),
    "wrong port": Denial(port=8080, hardened=True, first="port 8080 is the wrong port"),
}


@pytest.fixture(scope="module")
def site(
    cluster: lab.Cluster, control_plane: juju.Model, new_module_model: conftest.ModelFactory
) -> Site:
    """Details may be reached by `other`, so that it has a policy; ratings have none."""
    shop = beacon.Shop(cluster, new_module_model(controller=control_plane.controller))
    away = new_module_model(controller=control_plane.controller)
    shop.deploy()
    bookshop.deploy(shop.model, "productpage", "details")
    shop.model.deploy(bookshop.CHARM, "other")
    shop.model.integrate("details", MESH)
    shop.model.integrate("other:backends", "details:api")
    away.deploy(bookshop.CHARM, "front")
    account = ServiceAccount(metadata=ObjectMeta(name="robot", namespace=away.name))
    cluster.client.create(account)
    shop.model.wait_active()
    away.wait_active()
    return Site(shop, away, control_plane)


@contextlib.contextmanager
def arranged(site: Site, denial: Denial) -> Generator[None]:
    """Let a request be denied, and take back what that needs."""
    shop = site.shop
    policy = resources.AuthorizationPolicy(
        metadata=ObjectMeta(name="no", namespace=shop.name),
        spec={
            "action": "DENY",
            "targetRefs": [{"group": "", "kind": "Service", "name": denial.target}],
            "rules": [{}],
        },
    )
    with contextlib.ExitStack() as stack:
        stack.callback(site.settle)

        def related(left: str, right: str) -> None:
            shop.model.integrate(left, right)
            stack.callback(shop.model.remove_relation, left, right)

        if denial.mesh and "productpage" in (denial.source, denial.target):
            related("productpage:service-mesh", MESH)
        if denial.related:
            related("productpage:backends", "details:api")
        modes = {"hardened-mode": denial.hardened, "auto-allow-waypoint-policy": denial.auto_allow}
        site.control_plane.config("istio-k8s", **modes)
        stack.callback(site.control_plane.reset, "istio-k8s", *modes)
        shop.model.config(APP, **{"manage-authorization-policies": denial.managed})
        stack.callback(shop.model.reset, APP, "manage-authorization-policies")
        if denial.deny:
            shop.client.create(policy)
        site.settle()
        if denial.unreadable:
            before = shop.model.databag("details:service-mesh")["policies"]
            shop.model.set_databag("details", "service-mesh", "policies", "[{broken")
            stack.callback(shop.model.set_databag, "details", "service-mesh", "policies", before)
            site.settle()
        yield


def name_of(site: Site, denial: Denial) -> str:
    """Return the source as `<namespace>/<application>`."""
    where, _, app = denial.source.rpartition("/")
    return f"{site.away.name if where else site.shop.name}/{app}"


def explain(site: Site, denial: Denial, port: int) -> dict[str, Any]:
    url = f"http://{denial.target}.{site.shop.name}.svc.cluster.local:{port}/{denial.target}/0"
    source = name_of(site, denial)
    if source.endswith("/robot"):  # No pod runs with it.
        source = f"ns/{site.away.name}/sa/robot"
    params = {"source": source, "url": url, "method": denial.method, "format": "json"}
    return json.loads(site.shop.model.run(UNIT, "explain", **params)["json"])


def status(site: Site, denial: Denial) -> int | None:
    """Return the status of the request, sent to the port on which the target listens."""
    return site.shop.cluster.request(
        source=name_of(site, denial),
        service=f"{site.shop.name}/{denial.target}:{bookshop.PORT}",
        method=denial.method,
        path=f"/{denial.target}/0",
    ).status


def terminal(site: Site) -> juju.Terminal:
    models = {site.shop.name: site.shop.model, site.away.name: site.away}
    models[site.control_plane.name] = site.control_plane
    return juju.Terminal(models, site.shop.client, {"details": "api", "": "backends"})


def check_passes(site: Site, denial: Denial) -> None:
    assert explain(site, denial, bookshop.PORT)["verdict"] == "allowed"
    lab.eventually(lambda: status(site, denial) == 200)


@pytest.mark.parametrize("denial", DENIALS.values(), ids=DENIALS)
def test_each_remedy_can_be_typed_and_the_request_passes(site: Site, denial: Denial):
    first = denial.first.replace("away/", f"{site.away.name}/")
    with arranged(site, denial):
        asked = explain(site, denial, denial.port)
        assert asked["verdict"] == "denied"
        assert asked["remedies"][0].startswith(first)
        alternatives = [each for each in asked["remedies"] if each.startswith("or ")]
        plain = [each for each in asked["remedies"] if each not in alternatives]
        steps = [plain] if denial.solves else []
        for remedies in (*steps, *([each] for each in alternatives)):
            typed = terminal(site)
            try:
                follow(site, denial, typed, remedies)
                check_passes(site, denial)
            finally:
                typed.undo()
                site.settle()
        assert steps or alternatives
        for remedy in plain:
            if not denial.solves and "juju run" in remedy:
                assert terminal(site).follow(remedy) == 1


def follow(site: Site, denial: Denial, typed: juju.Terminal, remedies: list[str]) -> None:
    """Type remedies, and those of the results that follow, until the request is allowed."""
    alternative = remedies[0].startswith("or ")
    for _ in range(MOST_ROUNDS):
        assert sum(map(typed.follow, remedies)) > 0 or denial.port != bookshop.PORT
        site.settle()
        found = explain(site, denial, bookshop.PORT)
        if found["verdict"] == "allowed":
            return
        remedies = [
            each for each in found["remedies"] if each.startswith("or ") is alternative
        ] or found["remedies"]
