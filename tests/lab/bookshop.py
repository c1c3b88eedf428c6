# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop: its applications, and requests with their expected verdicts, as data.

productpage → details, productpage → reviews and reviews → ratings are integrated. details allows
`GET /health` and `GET /details/*` on its port; productpage requests no access. The demo and the
tests send these requests.
"""

import dataclasses
import enum
from pathlib import Path

from tests.lab import juju

CHARM = Path(__file__).resolve().parents[2] / "examples" / "bookshop"
"""The charm of all four applications; the lab's echo application is its workload."""
PORT = 9080
APPLICATIONS = ("productpage", "details", "reviews", "ratings")
INTEGRATIONS = (
    ("productpage:backends", "details:api"),
    ("productpage:backends", "reviews:api"),
    ("reviews:backends", "ratings:api"),
)
INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.7"
"""Addresses of clients outside the cluster: one in the allowed range, one not."""
ALLOWED_CIDRS = "192.0.2.0/24"


def deploy(model: juju.Model, *roles: str, mesh: str | None = None) -> None:
    """Deploy applications of the bookshop, each under the name of its role.

    Args:
        model: where to.
        roles: of `APPLICATIONS`.
        mesh: the endpoint of a beacon, to integrate them with.
    """
    for role in roles:
        model.deploy(CHARM, role, config={"role": role})
        if mesh:
            model.integrate(f"{role}:service-mesh", mesh)


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
    def needs_ztunnel(self) -> bool:
        """Whether only a ztunnel can decide about it."""
        return self.hop is Hop.ZTUNNEL


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


def _request(
    source: str,
    target: str,
    call: str,
    expect: Expect,
    hop: Hop = Hop.WAYPOINT,
    past_waypoint: bool = False,
) -> Request:
    method, path = call.split()
    return Request(source, target, method, path, expect, hop, past_waypoint)


def scenes(model: str) -> tuple[Scene, ...]:
    """Return every scene, in an order that changes one mode at a time.

    Args:
        model: name of the bookshop's model, which is part of the paths at the ingress.
    """
    answer, forbidden, gateway = Expect.ANSWER, Expect.FORBIDDEN, Hop.GATEWAY
    page = f"GET /{model}-productpage"
    from_outside = (
        _request(INSIDE, "productpage", page, answer, gateway),
        _request(OUTSIDE, "productpage", page, forbidden, gateway),
    )
    get_details = _request("productpage", "details", "GET /details/0", answer)
    return (
        Scene(
            hardened=False,
            managed=True,
            requests=(
                get_details,
                _request("productpage", "details", "GET /health", answer),
                _request("productpage", "details", "POST /details/0", forbidden),
                _request("productpage", "details", "GET /admin", forbidden),
                _request("ratings", "details", "GET /details/0", forbidden),
                _request("details", "productpage", "GET /", answer),
                *from_outside,
            ),
        ),
        Scene(
            hardened=True,
            managed=True,
            requests=(
                get_details,
                _request("details", "productpage", "GET /", forbidden),
                _request(
                    "ratings", "details", "GET /details/0", Expect.REFUSED, Hop.ZTUNNEL, True
                ),
                *from_outside,
            ),
        ),
        Scene(
            hardened=True,
            managed=True,
            auto_allow=False,
            requests=(
                _request(
                    "productpage", "details", "GET /details/0", Expect.UNAVAILABLE, Hop.ZTUNNEL
                ),
            ),
        ),
        Scene(
            hardened=True,
            managed=False,
            requests=(_request("productpage", "details", "GET /details/0", forbidden),),
        ),
        Scene(
            hardened=False,
            managed=False,
            requests=(_request("ratings", "details", "GET /details/0", answer),),
        ),
    )
