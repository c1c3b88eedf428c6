# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The three charms and the bookshop in the lab: deployment, scenes, requests and actions."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import lab
from tests.lab import bookshop, juju

ROOT = Path(__file__).resolve().parents[2]
CHARMS = ROOT / "charms"
MESH, SHOP = "istio-system", "shop"
BEACON, INGRESS = "istio-beacon-k8s", "istio-ingress-k8s"
VERDICT_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a request."""

    request: bookshop.Request
    got: str
    """The verdict as a value of `bookshop.Expect`, or the HTTP status."""
    as_expected: bool
    ran: bool = True


class Suite:
    """Two models: the control plane, and the bookshop with beacon and ingress."""

    def __init__(self, cluster: lab.Cluster, mesh: str = MESH, shop: str = SHOP):
        self.cluster = cluster
        controller = juju.Controller()
        self.mesh = juju.Model(cluster, mesh, controller=controller)
        self.shop = juju.Model(cluster, shop, controller=controller)

    def deploy(self) -> Iterator[str]:
        """Deploy both models step by step; yield a description before each step."""
        yield "istio-k8s: the control plane"
        self.mesh.deploy(CHARMS / "istio-k8s")
        self.mesh.wait_active()
        yield "istio-beacon-k8s: a waypoint for the bookshop's model"
        self.shop.deploy(CHARMS / BEACON)
        yield "istio-ingress-k8s: a gateway"
        cidrs = {"external-traffic-policy-cidrs": bookshop.ALLOWED_CIDRS}
        self.shop.deploy(CHARMS / INGRESS, config={**cidrs})
        for app in bookshop.APPLICATIONS:
            yield f"{app}: an application built on the published consumer library"
            bookshop.deploy(self.shop, app)
        yield "integrations"
        for left, right in bookshop.INTEGRATIONS:
            self.shop.integrate(left, right)
        for app in bookshop.APPLICATIONS:
            self.shop.integrate(f"{app}:service-mesh", f"{BEACON}:service-mesh")
        self.shop.integrate("productpage:ingress", f"{INGRESS}:ingress")
        self.shop.wait_active()
        self.cluster.wait_synced()

    def enter(self, scene: bookshop.Scene) -> None:
        """Set the modes of a scene, and wait until every proxy has them."""
        self.mesh.config(
            "istio-k8s",
            hardened_mode=scene.hardened,
            auto_allow_waypoint_policy=scene.auto_allow,
        )
        self.shop.config(BEACON, manage_authorization_policies=scene.managed)
        self.mesh.wait_active()
        self.shop.wait_active()
        self.cluster.wait_synced()

    def send(self, request: bookshop.Request) -> Outcome:
        """Send a request until its verdict is the expected one, for a bounded time.

        Configuration reaches proxies asynchronously, so the first answers may be older than the
        scene; only the final verdict counts.
        """
        if request.needs_ztunnel and not self.cluster.has_ztunnel:
            return Outcome(request, "not run", as_expected=True, ran=False)
        try:
            return lab.eventually(lambda: self._expected(request), timeout=VERDICT_SECONDS)
        except AssertionError:
            return Outcome(request, self._verdict(request), as_expected=False)

    def _expected(self, request: bookshop.Request) -> Outcome:
        got = self._verdict(request)
        assert got == request.expect, got
        return Outcome(request, got, as_expected=True)

    def _verdict(self, request: bookshop.Request) -> str:
        response = self._response(request)
        if response.status is None or (request.past_waypoint and response.status == 401):
            return bookshop.Expect.REFUSED
        if response.status == 200 and response.json()["app"] == request.target:
            return bookshop.Expect.ANSWER
        return str(response.status)

    def _response(self, request: bookshop.Request) -> lab.Response:
        if request.from_outside:
            url = self.shop.databag(f"{INGRESS}:ingress")["ingress"]
            base = url.split('"url": "')[1].rpartition("/")[0]
            return self.cluster.request_outside(
                base + request.path, source_ip=request.source, method=request.method
            )
        return self.cluster.request(
            source=f"{self.shop.name}/{request.source}",
            service=f"{self.shop.name}/{request.target}:{bookshop.PORT}",
            method=request.method,
            path=request.path,
            via="pod" if request.past_waypoint else None,
        )

    def explain(self, request: bookshop.Request, form: str) -> dict[str, Any]:
        """Return the beacon's explanation of a request between applications of the bookshop."""
        return self._run_beacon_action(
            "explain",
            source=request.source,
            target=request.target,
            port=bookshop.PORT,
            method=request.method,
            path=request.path,
            format=form,
        )

    def list_access(self, form: str) -> str:
        """Return the allowed access, as the beacon lists it."""
        return str(self._run_beacon_action("list-access", format=form)[form])

    def access_page(self) -> Path:
        """Return the file that the beacon makes: the allowed access as an interactive map."""
        return Path(self._run_beacon_action("list-access", format="html")["file"])

    def _run_beacon_action(self, action: str, **params: Any) -> dict[str, Any]:
        return self.shop.run(f"{BEACON}/0", action, **params)

    def remove(self) -> Iterator[str]:
        """Remove all applications in an operator's order; yield each name before its removal."""
        for model, apps in (
            (self.shop, (*bookshop.APPLICATIONS, INGRESS, BEACON)),
            (self.mesh, ("istio-k8s",)),
        ):
            for app in apps:
                yield f"{app}"
                model.remove(app)
                model.settle()
