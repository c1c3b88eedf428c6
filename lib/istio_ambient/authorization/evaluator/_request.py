# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A request that a verdict is asked for."""

import dataclasses
import enum
from collections.abc import Mapping

from istio_ambient.authorization import _requests


class TargetKind(enum.StrEnum):
    """What a client connects to."""

    SERVICE = "Service"
    """The address of a Service: through the waypoint that it has, if any, then to a pod."""
    WORKLOAD = "Workload"
    """The address of any pod of an application: past the waypoint of its Services."""
    POD = "Pod"
    """The address of one pod."""


@dataclasses.dataclass(frozen=True, order=True)
class Target:
    """A Service, a pod or, by the application's name, its pods."""

    kind: TargetKind
    namespace: str
    name: str

    @classmethod
    def service(cls, namespace: str, name: str) -> "Target":
        """Return the target for a Service."""
        return cls(TargetKind.SERVICE, namespace, name)

    @classmethod
    def workload(cls, namespace: str, application: str) -> "Target":
        """Return the target for the pods of an application (`app.kubernetes.io/name`)."""
        return cls(TargetKind.WORKLOAD, namespace, application)

    @classmethod
    def pod(cls, namespace: str, name: str) -> "Target":
        """Return the target for a pod."""
        return cls(TargetKind.POD, namespace, name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Request:
    """Who wants what of whom; a member that is None is open: it may have any value."""

    source: str | None
    """`<namespace>/<service account>`, or a principal (`<trust domain>/ns/<…>/sa/<…>`); None: a
    client without an identity, which is one outside of the mesh."""
    target: Target
    port: int | None = None
    """Of the Service, where the target is one; else of the pod."""
    method: str | None = None
    path: str | None = None
    """With its query, if any, as it stands in the request line."""
    host: str | None = None
    """The Host header, with a port where it has one."""
    headers: Mapping[str, str] | None = None
    """Names in lower case; a header that is not in here is not sent."""
    source_ip: str | None = None


def principal(source: str | None) -> str | None:
    """Return a source as policies name it: a SPIFFE id without its scheme."""
    if source is None or "/ns/" in source:
        return source
    namespace, _, account = source.partition("/")
    return _requests.Source(namespace, account).principal
