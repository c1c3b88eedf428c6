# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop: its applications, and requests with their expected verdicts, as data.

productpage → details, productpage → reviews and reviews → ratings are integrated. details allows
`GET /health` and `GET /details/*` on its port; productpage requests no access. The demo and the
tests send these requests.
"""

import dataclasses
import enum

from tests.scenarios.backend import Model, Need

ISTIO, BEACON, INGRESS = "istio-k8s", "istio-beacon-k8s", "istio-ingress-k8s"
CHARM = "bookshop"
"""The charm of all four applications."""
PORT = 9080
APPLICATIONS = ("productpage", "details", "reviews", "ratings")
INTEGRATIONS = (
    ("productpage:backends", "details:api"),
    ("productpage:backends", "reviews:api"),
    ("reviews:backends", "ratings:api"),
)
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
"""Clients outside the cluster: one of an allowed network, one not."""
OTHER_NETWORK = "203.0.113.128/25"
"""A network without clients."""
GET_DETAILS = "GET /details/0"


class Expect(enum.StrEnum):
    """The verdict on a request."""

    ANSWER = "the application's answer"
    FORBIDDEN = "403"
    UNAVAILABLE = "503"
    REFUSED = "refused"


class Hop(enum.StrEnum):
    """The proxy that decides."""

    WAYPOINT = "waypoint"
    ZTUNNEL = "ztunnel"
    GATEWAY = "gateway"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request and its expected verdict."""

    source: str
    """An application, or the address of a client outside the cluster."""
    target: str
    method: str
    path: str
    expect: Expect
    hop: Hop
    past_waypoint: bool = False
    """Sent directly to a pod of the target."""

    @property
    def from_outside(self) -> bool:
        """Whether it arrives through the gateway."""
        return self.source in (INSIDE, OUTSIDE)

    @property
    def need(self) -> Need | None:
        """What a backend must have to send it."""
        if self.source == OUTSIDE:
            return Need.CLIENT_ADDRESSES
        return Need.ZTUNNEL if self.hop is Hop.ZTUNNEL else None


@dataclasses.dataclass(frozen=True)
class Scene:
    """Modes of the suite, and the requests to send in them."""

    hardened: bool
    managed: bool
    requests: tuple[Request, ...]
    auto_allow: bool = True

    @property
    def title(self) -> str:
        """The modes as text."""
        modes = [
            f"hardened mode {'on' if self.hardened else 'off'}",
            f"managed mode {'on' if self.managed else 'off'}",
        ]
        return ", ".join(
            modes + ([] if self.auto_allow else ["waypoints not allowed automatically"])
        )


def request(
    source: str,
    target: str,
    call: str,
    expect: Expect,
    hop: Hop = Hop.WAYPOINT,
    past_waypoint: bool = False,
) -> Request:
    """Return a request; `call` has its method and path. A path from outside is after the URL."""
    method, path = call.split()
    return Request(source, target, method, path, expect, hop, past_waypoint)


def scenes() -> tuple[Scene, ...]:
    """Return every scene, in an order that changes one mode at a time."""
    answer, forbidden, gateway = Expect.ANSWER, Expect.FORBIDDEN, Hop.GATEWAY
    from_outside = (
        request(INSIDE, "productpage", "GET /", answer, gateway),
        request(OUTSIDE, "productpage", "GET /", forbidden, gateway),
    )
    get_details = request("productpage", "details", GET_DETAILS, answer)
    return (
        Scene(
            hardened=False,
            managed=True,
            requests=(
                get_details,
                request("productpage", "details", "GET /health", answer),
                request("productpage", "details", "POST /details/0", forbidden),
                request("productpage", "details", "GET /admin", forbidden),
                request("ratings", "details", "GET /details/0", forbidden),
                request("details", "productpage", "GET /", answer),
                *from_outside,
            ),
        ),
        Scene(
            hardened=True,
            managed=True,
            requests=(
                get_details,
                request("details", "productpage", "GET /", forbidden),
                request("ratings", "details", "GET /details/0", Expect.REFUSED, Hop.ZTUNNEL, True),
                *from_outside,
            ),
        ),
        Scene(
            hardened=True,
            managed=True,
            auto_allow=False,
            requests=(
                request(
                    "productpage", "details", "GET /details/0", Expect.UNAVAILABLE, Hop.ZTUNNEL
                ),
            ),
        ),
        Scene(
            hardened=True,
            managed=False,
            requests=(request("productpage", "details", "GET /details/0", forbidden),),
        ),
        Scene(
            hardened=False,
            managed=False,
            requests=(request("ratings", "details", "GET /details/0", answer),),
        ),
    )


def deploy(model: Model, role: str, app: str | None = None) -> None:
    """Deploy an application of the bookshop, by default under the name of its role."""
    model.deploy(CHARM, app or role, config={"role": role})
