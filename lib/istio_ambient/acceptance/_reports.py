# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istiod reports about itself and its proxies, read from the JSON of its debug interface.

Source of the format: istio/istio pilot/pkg/xds/debug.go, `SyncStatus` and `ResourceStatus`.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from istio_ambient.acceptance._marker import provider_names
from istio_ambient.values import decoded

ZTUNNEL = "ztunnel"
"""Type of the proxies of nodes; `waypoint` and `router` (a gateway) are the others."""


class Acknowledgement(msgspec.Struct, frozen=True):
    """What a proxy answered to the last configuration of one kind."""

    kind: str
    """Last part of the type: `Listener`, `RouteConfiguration`, `Cluster`, `Authorization`…"""
    is_current: bool
    """Whether the proxy acknowledged what was sent last."""
    sent_at: datetime.datetime | None
    """When that was sent, by istiod's clock; None: unknown."""
    error: str = ""
    """The proxy's own words where it refused; the next acknowledgement clears them."""

    def silence(self, now: datetime.datetime) -> float:
        """Return for how many seconds an answer has been outstanding; 0 where none is."""
        if self.is_current or self.error or self.sent_at is None:
            return 0
        return max(0.0, (now - self.sent_at).total_seconds())


class Proxy(msgspec.Struct, frozen=True):
    """A proxy that is connected to an istiod."""

    name: str
    """Of its pod."""
    namespace: str
    type: str
    acknowledgements: tuple[Acknowledgement, ...] = ()

    @property
    def deployment(self) -> str:
        """The Deployment of its pod, which is `<Deployment>-<hash>-<suffix>`."""
        return self.name.rsplit("-", 2)[0]


class MeshConfig(msgspec.Struct, frozen=True):
    """The part of the MeshConfig in use that decides whether it is ours."""

    root_namespace: str
    providers: frozenset[str]
    """Names of the extension providers, the marker among them."""


class Report(msgspec.Struct, frozen=True):
    """What one istiod answered."""

    address: str
    """Of its pod."""
    fault: str = ""
    """Why nothing is known: no answer, or an answer that is none."""
    is_foreign: bool = False
    """Whether istiod takes our control plane's namespace for any other: its root is elsewhere."""
    now: datetime.datetime | None = None
    """The time by istiod's clock; None: unknown."""
    mesh_config: MeshConfig | None = None
    """None: not asked for."""
    proxies: tuple[Proxy, ...] = ()


def read_mesh_config(text: str) -> MeshConfig | None:
    """Return what `/debug/mesh` says; None for what is no MeshConfig."""
    loaded = decoded.json_value(text)
    if not isinstance(loaded, dict):
        return None
    members = cast(dict[str, Any], loaded)
    root = members.get("rootNamespace")
    return MeshConfig(root if isinstance(root, str) else "", frozenset(provider_names(members)))


def read_proxies(text: str) -> tuple[Proxy, ...] | None:
    """Return the proxies of `/debug/syncz`; None for what is no such answer.

    An entry of another shape is left out.
    """
    loaded = decoded.json_value(text)
    if not isinstance(loaded, list):
        return None
    return tuple(_proxies(cast(list[object], loaded)))


def _proxies(entries: list[object]) -> Iterator[Proxy]:
    for entry in entries:
        members = decoded.members(entry)
        # `<pod>.<namespace>`: a pod's name may have dots, a namespace's has none.
        name, _, namespace = _text(members, "proxy").rpartition(".")
        if name:
            resources = decoded.members(members.get("resources"))
            found = tuple(_acknowledgement(kind, each) for kind, each in resources.items())
            kind = _text(members, "proxy_type")
            yield Proxy(name=name, namespace=namespace, type=kind, acknowledgements=found)


def _acknowledgement(kind: str, status: object) -> Acknowledgement:
    members = decoded.members(status)
    return Acknowledgement(
        kind=kind.rpartition(".")[2],
        is_current=members.get("sent", "") == members.get("acked", ""),
        sent_at=_time(_text(members, "sentTime")),
        error=_text(members, "lastError").strip(),
    )


def _time(text: str) -> datetime.datetime | None:
    """Return a time of istiod; its nanoseconds are more than Python reads."""
    seconds = text[:19]
    try:
        return datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def _text(members: Mapping[str, Any], key: str) -> str:
    value = members.get(key)
    return value if isinstance(value, str) else ""
