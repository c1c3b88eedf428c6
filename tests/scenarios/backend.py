# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What scenarios do to a Juju controller and its cluster: a protocol with two implementations.

`tests.lab.backend` carries the steps in the lab, `tests.integration.backend` on a real Juju. No
scenario asks which of them it has.
"""

import dataclasses
import enum
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import lightkube

T = TypeVar("T")
Value = str | int | float | bool
"""The value of an option."""


class Need(enum.StrEnum):
    """What some steps need, and what not every backend has."""

    ZTUNNEL = "a ztunnel"
    CLIENT_ADDRESSES = "clients with chosen addresses"
    PUBLIC_CHARMS = "the public charms"


MISSING: Mapping[str, Mapping[Need, str]] = {
    "lab": {
        Need.ZTUNNEL: "no ztunnel is at hand",
        Need.PUBLIC_CHARMS: "the lab has no charm store",
    },
    "juju": {Need.CLIENT_ADDRESSES: "requests from outside come from one machine"},
}
"""The reason for which each backend leaves something out; most labs have a ztunnel."""


@dataclasses.dataclass(frozen=True)
class Response:
    """The result of a request."""

    status: int | None
    """HTTP status; None: the connection was refused or dropped."""
    body: str = ""

    def json(self) -> Any:
        """Return the body's content."""
        return json.loads(self.body)


class Model(Protocol):
    """A Juju model. Verbs return before their effect: `wait_active` waits for it."""

    @property
    def name(self) -> str:
        """The model's name, which is its namespace's."""
        ...

    def deploy(
        self,
        charm: str,
        app: str | None = None,
        config: Mapping[str, Value] | None = None,
        public: bool = False,
    ) -> None:
        """Deploy a charm with access to the cluster (`--trust`).

        Args:
            charm: one of this repository, or one that operators integrate with them.
            app: name of the application; by default the charm's.
            config: options.
            public: the published charm of that name, instead of this repository's.
        """
        ...

    def refresh(self, app: str) -> None:
        """Refresh an application to this repository's charm of the same name."""
        ...

    def config(self, app: str, options: Mapping[str, Value]) -> None:
        """Set options."""
        ...

    def scale(self, app: str, units: int) -> None:
        """Set the number of units."""
        ...

    def integrate(self, left: str, right: str) -> None:
        """Relate `application:endpoint` to another one of the model, or to a consumed offer."""
        ...

    def remove_relation(self, left: str, right: str) -> None:
        """Remove a relation."""
        ...

    def consume(self, owner: "Model", app: str, *endpoints: str) -> None:
        """Offer endpoints of an application of another model, and consume them by its name."""
        ...

    def withdraw(self, owner: "Model", app: str) -> None:
        """Take back what `consume` did, without relations to it."""
        ...

    def run(self, unit: str, action: str, params: Mapping[str, Value]) -> Mapping[str, Any]:
        """Run an action on a unit (`app/leader`); return its results.

        Raises:
            AssertionError: it failed.
        """
        ...

    def wait_active(self, *apps: str) -> None:
        """Wait until all hooks have run, the applications (all) are active, and proxies know it.

        Raises:
            AssertionError: they are not in time.
        """
        ...

    def remove(self, *apps: str) -> None:
        """Remove applications, and wait until they are gone."""
        ...


class Backend(Protocol):
    """A controller with a cluster."""

    kubeconfig: Path
    """An administrator's."""
    client: lightkube.Client
    """An administrator's."""
    client_networks: str
    """The networks of the client with the address `bookshop.INSIDE`, for an option."""

    def model(self, name: str) -> Model:
        """Return a new model; the backend may add to its name."""
        ...

    def wait_until(self, condition: Callable[[], T], patience: float = 1.0) -> T:
        """Wait until a condition holds; return its result.

        Args:
            condition: holds when its result is true; an AssertionError counts as "not yet".
            patience: multiples of the time in which a change reaches every proxy.

        Raises:
            AssertionError: it does not hold in time.
        """
        ...

    def missing(self, need: Need) -> str | None:
        """Return the reason for which the backend has not what a step needs; None: it has it."""
        ...

    def request(
        self,
        source: str,
        target: str,
        port: int,
        method: str = "GET",
        path: str = "/",
        past_waypoint: bool = False,
    ) -> Response:
        """Send a request as an application.

        Args:
            source: `model/application` that sends it.
            target: `model/application` whose Service receives it.
            port: of the Service.
            method: HTTP method.
            path: with the query.
            past_waypoint: send it to a pod of the target instead, which is on the same port.
        """
        ...

    def request_outside(
        self, url: str, source: str, method: str = "GET", roots: str | None = None
    ) -> Response:
        """Send a request from outside the cluster, without following redirects.

        Args:
            url: what the ingress has published.
            source: `bookshop.INSIDE` or, with `Need.CLIENT_ADDRESSES`, `bookshop.OUTSIDE`.
            method: HTTP method.
            roots: certificates in PEM that the client trusts, with `https`. Without a valid
                certificate for the URL's host there is no response.
        """
        ...

    def scraped(self, scraper: str, model: Model, app: str) -> int:
        """Return how many targets of an application answer its scraper.

        Args:
            scraper: a Prometheus of the model.
            model: with both applications.
            app: integrated at its `metrics-endpoint`.
        """
        ...
