# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What applications ask for, and what of the cluster decides whether they get it."""

import dataclasses
import enum
from collections.abc import Mapping

NAME_LABEL = "app.kubernetes.io/name"
PART_OF_LABEL = "app.kubernetes.io/part-of"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
TRUST_DOMAIN = "cluster.local"


class TargetKind(enum.StrEnum):
    """Where access to a target is decided."""

    SERVICE = "service"
    """At the waypoint of a Service, by HTTP attributes and the Service's ports."""
    WORKLOAD = "workload"
    """At the pods that a selector matches, by the pods' ports alone."""


@dataclasses.dataclass(frozen=True, order=True)
class Source:
    """A workload identity: a ServiceAccount, which Juju names like the application."""

    namespace: str
    service_account: str

    @property
    def principal(self) -> str:
        """The identity as policies name it: a SPIFFE id without its scheme."""
        return f"{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.service_account}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account}"


@dataclasses.dataclass(frozen=True, order=True)
class Target:
    """What is to be reached: a Service by name, or the pods that have all of the labels."""

    kind: TargetKind
    namespace: str
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """Sorted pairs; never empty for workloads."""

    @classmethod
    def service(cls, namespace: str, name: str) -> "Target":
        """Return the target for a Service."""
        return cls(TargetKind.SERVICE, namespace, name=name)

    @classmethod
    def workload(cls, namespace: str, labels: Mapping[str, str]) -> "Target":
        """Return the target for the pods with these labels.

        Raises:
            ValueError: there are no labels: that would be every pod of the namespace.
        """
        if not labels:
            raise ValueError("a workload target needs at least one label")
        return cls(TargetKind.WORKLOAD, namespace, labels=tuple(sorted(labels.items())))

    @classmethod
    def app(cls, namespace: str, app: str) -> "Target":
        """Return the target for the pods of a Juju application."""
        return cls.workload(namespace, {NAME_LABEL: app})

    def __str__(self) -> str:
        if self.kind is TargetKind.SERVICE:
            return f"Service {self.namespace}/{self.name}"
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"pods {self.namespace}/{labels}"


@dataclasses.dataclass(frozen=True, order=True)
class Operation:
    """A set of requests; every member that is not empty must match, by any of its values."""

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def sorted(self) -> "Operation":
        """Return the same operation with each member sorted and without repetitions."""
        return Operation(
            tuple(sorted(set(self.hosts))),
            tuple(sorted(set(self.ports))),
            tuple(sorted(set(self.methods))),
            tuple(sorted(set(self.paths))),
        )


@dataclasses.dataclass(frozen=True)
class Requester:
    """The application that asks, as Juju vouches for it."""

    app: str
    """Its name at our end of the relation."""
    endpoint: str
    """Our endpoint."""
    model_uuid: str = ""
    """UUID of its model when that is not ours, or `UNKNOWN_MODEL`; empty: our own model."""

    def __str__(self) -> str:
        return f"{self.app}:{self.endpoint}"


UNKNOWN_MODEL = "unknown"


@dataclasses.dataclass(frozen=True)
class AccessRequest:
    """One thing that an application asks for."""

    requester: Requester
    field: str
    """Where it stands in the databag."""
    target: Target
    source: Source | None
    """None: no source is allowed; the target stays closed until the data can be read."""
    operations: tuple[Operation, ...] = ()
    """Empty: everything."""
    target_app: str = ""
    """The application that the target is said to belong to; empty where nothing is said."""
    established: bool = False
    """A policy about the target that the requester asked for is in the cluster already."""


@dataclasses.dataclass(frozen=True)
class Service:
    """What decides whose Service it is."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    by_juju: bool = False
    """Juju made it, which it does for every application that it deploys."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The reads of the cluster that the decisions rest on."""

    services: Mapping[tuple[str, str], Service]
    """By namespace and name: those of our namespace, and of others where other models ask."""
    model_namespaces: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Namespace of a model by the UUID with which Juju marked it (`model.juju.is/id`)."""
    namespace_labels: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """Labels of a namespace by its name: ours, and others where other models ask."""
