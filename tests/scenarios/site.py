# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The three charms and the bookshop, deployed: what the scenarios and the demo work on."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from tests.scenarios import bookshop, leftovers
from tests.scenarios.backend import Backend, Model, Response, Value
from tests.scenarios.bookshop import BEACON, INGRESS, ISTIO


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a request."""

    request: bookshop.Request
    got: str
    """The verdict as a value of `bookshop.Expect`, or the HTTP status."""
    as_expected: bool
    not_run: str = ""
    """The reason for which the request was not sent."""

    @property
    def ran(self) -> bool:
        """Whether the request was sent."""
        return not self.not_run


class Site:
    """Two models: the control plane, and the bookshop with beacon and ingress."""

    def __init__(self, backend: Backend):
        self.backend = backend
        self.mesh: Model = backend.model("istio-system")
        self.shop: Model = backend.model("shop")
        self._before: list[str] = []

    def deploy(self, public: bool = False) -> Iterator[str]:
        """Deploy both models step by step; yield a description before each step.

        Args:
            public: deploy the published charms of the same names instead of this repository's.
        """
        self._before = leftovers.of(self.backend.kubeconfig, self.mesh.name)
        yield "istio-k8s: the control plane"
        self.mesh.deploy(ISTIO, public=public)
        self.mesh.wait_active()
        yield "istio-beacon-k8s: a waypoint for the bookshop's model"
        self.shop.deploy(BEACON, public=public)
        yield "istio-ingress-k8s: a gateway"
        networks = {"external-traffic-policy-cidrs": self.backend.client_networks}
        self.shop.deploy(INGRESS, config=networks, public=public)
        for app in bookshop.APPLICATIONS:
            yield f"{app}: an application built on the published consumer library"
            bookshop.deploy(self.shop, app)
        yield "integrations"
        for left, right in bookshop.INTEGRATIONS:
            self.shop.integrate(left, right)
        for app in bookshop.APPLICATIONS:
            self.shop.integrate(f"{app}:service-mesh", f"{BEACON}:service-mesh")
        self.shop.integrate("productpage:ingress", f"{INGRESS}:ingress")
        self.wait_active()

    def wait_active(self) -> None:
        """Wait until the applications of both models are active."""
        self.mesh.wait_active()
        self.shop.wait_active()

    def enter(self, scene: bookshop.Scene) -> None:
        """Set the modes of a scene, and wait until every proxy has them."""
        modes: dict[str, Value] = {
            "hardened-mode": scene.hardened,
            "auto-allow-waypoint-policy": scene.auto_allow,
        }
        self.mesh.config(ISTIO, modes)
        self.shop.config(BEACON, {"manage-authorization-policies": scene.managed})
        self.wait_active()

    def send(self, request: bookshop.Request) -> Outcome:
        """Send a request until its verdict is the expected one, for a bounded time.

        Configuration reaches proxies asynchronously, so the first answers may be older than the
        scene; only the final verdict counts.
        """
        if request.need and (reason := self.backend.missing(request.need)):
            return Outcome(request, "not run", as_expected=True, not_run=reason)
        try:
            return self.backend.wait_until(lambda: self._expected(request))
        except AssertionError:
            return Outcome(request, self._verdict(request), as_expected=False)

    def check(self, *requests: bookshop.Request) -> None:
        """Send requests.

        Raises:
            AssertionError: a verdict is another one than expected.
        """
        outcomes = [self.send(request) for request in requests]
        wrong = [f"{o.request}: got {o.got}" for o in outcomes if not o.as_expected]
        assert not wrong, "\n".join(wrong)

    def check_outside(
        self, url: str, status: int | None, source: str = bookshop.INSIDE, roots: str | None = None
    ) -> None:
        """Send a request from outside the cluster until its status is the expected one.

        Raises:
            AssertionError: it is not in time.
        """

        def expected() -> bool:
            got = self.backend.request_outside(url, source, roots=roots).status
            assert got == status, f"{url}: {got}"
            return True

        self.backend.wait_until(expected)

    def url(self, app: str = "productpage") -> str:
        """Return the URL of an application at the ingress."""
        answer = self.shop.run(f"{INGRESS}/leader", "get-proxied-endpoints", {})
        found: dict[str, dict[str, str]] = json.loads(answer["proxied-endpoints"])
        return found[app]["url"]

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

    def _response(self, request: bookshop.Request) -> Response:
        if request.from_outside:
            url = self.url(request.target).removesuffix("/") + request.path.removesuffix("/")
            return self.backend.request_outside(url, request.source, method=request.method)
        return self.backend.request(
            f"{self.shop.name}/{request.source}",
            f"{self.shop.name}/{request.target}",
            bookshop.PORT,
            method=request.method,
            path=request.path,
            past_waypoint=request.past_waypoint,
        )

    def explain(self, request: bookshop.Request, form: str) -> str:
        """Return the beacon's explanation of a request between applications of the bookshop."""
        params: dict[str, Value] = {
            "source": request.source,
            "target": request.target,
            "port": bookshop.PORT,
            "method": request.method,
            "path": request.path,
        }
        answer = self.run_beacon_action("explain", {**params, "format": form})
        return str(answer["explanation" if form == "table" else form])

    def list_access(self, form: str) -> str:
        """Return the allowed access, as the beacon lists it."""
        return str(self.run_beacon_action("list-access", {"format": form})[form])

    def run_beacon_action(self, action: str, params: dict[str, Value]) -> dict[str, Any]:
        """Run an action of the beacon; return its results."""
        return dict(self.shop.run(f"{BEACON}/leader", action, params))

    def remove(self) -> Iterator[str]:
        """Remove all applications in an operator's order; yield each name before its removal."""
        for model, apps in (
            (self.shop, (*bookshop.APPLICATIONS, INGRESS, BEACON)),
            (self.mesh, (ISTIO,)),
        ):
            for app in apps:
                yield app
                model.remove(app)

    def leftovers(self) -> list[str]:
        """Return the objects in the cluster that were not there before the deployment."""
        now = leftovers.of(self.backend.kubeconfig, self.mesh.name)
        return sorted(set(now) - set(self._before))
