# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Access requests of applications, and the facts of the cluster that decide about them."""

import datetime
import enum
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from istio_ambient.values.labels import NAME_LABEL
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

TRUST_DOMAIN = "cluster.local"


class TargetKind(enum.StrEnum):
    """Which proxy enforces the policy of a target."""

    SERVICE = "service"
    """The waypoint of a Service, by HTTP attributes and the Service's ports."""
    WORKLOAD = "workload"
    """The ztunnel of the pods that a selector matches, by the pods' ports alone."""


class SourceKind(enum.StrEnum):
    """What a source is, by what proxies learn of it."""

    IDENTITY = "identity"
    """One workload identity."""
    NAMESPACE = "namespace"
    """Every identity of a namespace."""
    OUTSIDE = "outside"
    """Clients without an identity, which reach pods in plain text and past the waypoint."""
    EVERYONE = "everyone"
    """Every client, with an identity or without one."""


ANY_ACCOUNT = "*"
"""In place of the service account, where a source is a whole namespace."""


class Source(msgspec.Struct, frozen=True, order=True):
    """Clients that a rule is about; mostly one identity, a ServiceAccount.

    Juju gives the ServiceAccount the application's name.
    """

    namespace: str
    service_account: str
    kind: SourceKind = SourceKind.IDENTITY
    networks: tuple[str, ...] = ()
    """Of kind OUTSIDE: addresses of the clients, in CIDR notation; empty: any."""

    @classmethod
    def of_namespace(cls, namespace: str) -> "Source":
        """Return every identity of a namespace as a source."""
        return cls(namespace, ANY_ACCOUNT, SourceKind.NAMESPACE)

    @classmethod
    def outside(cls, networks: Collection[str] = ()) -> "Source":
        """Return the clients without an identity as a source; with networks, those in them."""
        return cls("", "", SourceKind.OUTSIDE, tuple(sorted(networks)))

    @classmethod
    def everyone(cls) -> "Source":
        """Return every client as a source."""
        return cls("", "", SourceKind.EVERYONE)

    @property
    def principal(self) -> str:
        """The principal of one identity, as policies name it: a SPIFFE id without its scheme."""
        return self.principal_in(TRUST_DOMAIN)

    def principal_in(self, trust_domain: str) -> str:
        """Return the principal of the identity in a trust domain."""
        return f"{trust_domain}/ns/{self.namespace}/sa/{self.service_account}"

    @property
    def label(self) -> str:
        """The label of the class of clients, as lists have it: `shop/web`, `shop/*`, `*`."""
        match self.kind:
            case SourceKind.OUTSIDE:
                return "outside"
            case SourceKind.EVERYONE:
                return "*"
            case _:
                return f"{self.namespace}/{self.service_account}"

    def may_include(self, identity: str | None) -> bool:
        """Return whether a client may be one of the source.

        Args:
            identity: `<namespace>/<service account>`, which no proxy may learn; None: it has none.
        """
        match self.kind:
            case SourceKind.EVERYONE | SourceKind.OUTSIDE:
                return True
            case SourceKind.NAMESPACE:
                return identity is not None and identity.startswith(f"{self.namespace}/")
            case _:
                return identity == self.label

    def __str__(self) -> str:
        return " ".join(filter(None, (self.label, ", ".join(self.networks))))


class Target(msgspec.Struct, frozen=True, order=True):
    """The subject of a policy: a Service by name, or the pods that have all of the labels."""

    kind: TargetKind
    namespace: str
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """Sorted pairs; never empty for workloads."""

    @classmethod
    def service(cls, namespace: str, name: str) -> "Target":
        """Return a Service as a target."""
        return cls(TargetKind.SERVICE, namespace, name=name)

    @classmethod
    def workload(cls, namespace: str, labels: Mapping[str, str]) -> "Target":
        """Return the pods with all of these labels as a target.

        Raises:
            ValueError: there are no labels: that would be every pod of the namespace.
        """
        if not labels:
            raise ValueError("a workload target needs at least one label")
        return cls(TargetKind.WORKLOAD, namespace, labels=tuple(sorted(labels.items())))

    @classmethod
    def app(cls, namespace: str, app: str) -> "Target":
        """Return the pods of a Juju application as a target."""
        return cls.workload(namespace, {NAME_LABEL: app})

    def __str__(self) -> str:
        if self.kind is TargetKind.SERVICE:
            return f"Service {self.namespace}/{self.name}"
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"pods {self.namespace}/{labels}"


def _in_order(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


class Operation(msgspec.Struct, frozen=True, order=True):
    """Requests that may be made: each member that is not empty must match, by any of its values.

    Ports are those of the Service where the target is one, else those of the pods. Only targets of
    kind SERVICE have hosts, methods and paths.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def sorted(self) -> "Operation":
        """Return the same operation with each member sorted and without repetitions."""
        members = (self.hosts, self.ports, self.methods, self.paths)
        return Operation(*map(_in_order, members))


class Requester(msgspec.Struct, frozen=True, order=True):
    """The application that asks for something over a relation, as Juju reports it."""

    app: str
    """The application's name at our end of the relation."""
    endpoint: str
    """Our endpoint."""
    model_uuid: str = ""
    """UUID of the application's model when that is not ours, or `UNKNOWN_MODEL`; empty: our own
    model."""

    def __str__(self) -> str:
        return f"{self.app}:{self.endpoint}"

    def problem(self, code: Code, field: str, message: str, remedy: str) -> Problem:
        """Return a problem in what the application asks for, at a place in its databag."""
        app, endpoint = self.app, self.endpoint
        return Problem(app, endpoint, field, message=message, remedy=remedy, code=code)


UNKNOWN_MODEL = "unknown"
"""In place of the UUID of another model, where Juju does not report it."""


class AccessRequest(msgspec.Struct, frozen=True):
    """An application asks that a source may do operations with a target.

    With `source=None` it asks that the target is closed: a policy without rules, which allows
    nothing.
    """

    requester: Requester
    field: str
    """Path of the request in the databag: `policies[0]`; empty where no databag has it."""
    target: Target
    source: Source | None
    """None: no source is allowed, and the target stays closed until the databag can be read."""
    operations: tuple[Operation, ...] = ()
    """Empty: any operation."""
    target_app: str = ""
    """The application that the requester says the target belongs to; empty: it does not say."""
    established: bool | None = False
    """Whether the cluster has a policy for the target that this requester asked for; None: it has
    one, and it is not known who did."""


class ServicePort(msgspec.Struct, frozen=True):
    """A TCP port of a Service."""

    port: int
    target: int | str
    """The pods' port, by number or by name."""
    name: str = ""


class ServiceFacts(msgspec.Struct, frozen=True):
    """The part of a Kubernetes Service that ownership, routes and addresses depend on."""

    namespace: str
    name: str
    selector: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    ports: tuple[ServicePort, ...] = ()
    labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    by_juju: bool = False
    """Whether Juju made the Service, which it does for every application that it deploys."""
    external_name: bool = False
    """Its type is ExternalName: it leads out of the cluster, whatever its selector is."""
    headless: bool = False
    """It has no address of its own: its name resolves to the addresses of its pods."""
    type: str = "ClusterIP"
    address: str = ""
    """IP address or DNS name that the load balancer assigned; empty: none yet."""
    node_ports: Mapping[int, int] = msgspec.field(default_factory=dict[int, int])
    """Ports on the nodes by port of the Service."""
    created: datetime.datetime | None = None
    written: datetime.datetime | None = None
    """When it was written last, its status aside; None: unknown."""


class Cluster(msgspec.Struct, frozen=True):
    """The facts of the cluster that decide about access requests.

    Other namespaces than ours are in here only where applications of other models ask.
    """

    services: Mapping[tuple[str, str], ServiceFacts]
    """By namespace and name."""
    model_namespaces: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Namespace of a model by the UUID with which Juju marked it (`model.juju.is/id`)."""
    namespace_labels: Mapping[str, Mapping[str, str]] = msgspec.field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """Labels of a namespace by its name."""
