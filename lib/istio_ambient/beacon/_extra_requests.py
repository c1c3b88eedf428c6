# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From entries of `extra-access` to access requests, by the Services of the applications.

An application is reached at its Services, through the waypoint, and at its pods: by clients
outside the mesh, which the waypoint never sees, and by clients of headless Services. So an entry
is for both, except that methods and paths can be checked at the waypoint only, and that clients
outside the mesh never pass it.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from istio_ambient import authorization
from istio_ambient.authorization import AccessRequest, Operation, ServiceFacts, SourceKind, Target
from istio_ambient.beacon._extra_access import Entry, ExtraAccess
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem

OPTION = "extra-access"
REQUESTER = authorization.Requester("config", OPTION)
"""The operator; no application has our option for an endpoint."""


class ExtraRequests(msgspec.Struct, frozen=True):
    """The access requests that follow from the option, and the entries that cannot be met yet."""

    requests: tuple[AccessRequest, ...] = ()
    """Those that close a target, which have no source, among them."""
    pending: tuple[Problem, ...] = ()
    awaited: tuple[tuple[str, int], ...] = ()
    """Host and port of the Services that entries wait for."""


def established(policies: Mapping[Target, authorization.Provenance]) -> frozenset[Target]:
    """Return the targets whose policies in the cluster the option may have a part in.

    Args:
        policies: the requesters of our policies, by target.
    """
    return frozenset(
        target for target, found in policies.items() if found.names(REQUESTER) is not False
    )


def requests(
    option: ExtraAccess,
    services: Iterable[ServiceFacts],
    model: str,
    established: Collection[Target] = (),
) -> ExtraRequests:
    """Return the access requests of the option.

    An entry that cannot be read closes what it may be about, as an entry of a databag does: the
    application that it names; without a name, every target that the option has a part in.

    Args:
        option: its entries.
        services: of our namespace, at least.
        model: our model, which is the namespace too.
        established: as the function of that name returns it.
    """
    by_app: dict[str, list[ServiceFacts]] = {}
    for service in services:
        app = service.selector.get(authorization.NAME_LABEL)
        if app and service.namespace == model and not service.external_name:
            by_app.setdefault(app, []).append(service)
    made: list[AccessRequest] = []
    pending: list[Problem] = []
    awaited: list[tuple[str, int]] = []
    for number, entry in option.entries:
        found = _Reached(entry, model, by_app.get(entry.to, []))
        place = f"[{number}]"
        made += found.requests(place, established)
        if found.missing:
            pending.append(_pending(place, found.missing))
            awaited += ((f"{entry.to}.{model}.svc", port) for port in entry.ports)
    targets: set[Target] = set()
    for app in option.unread:
        targets.update(established if app is None else _targets(app, by_app.get(app, []), model))
    made += (
        AccessRequest(REQUESTER, "", target, source=None, established=True)
        for target in sorted(targets)
    )
    return ExtraRequests(tuple(made), tuple(pending), tuple(awaited))


def _targets(app: str, services: Iterable[ServiceFacts], model: str) -> set[Target]:
    """Return the targets of an application; Juju's Service is one, though it may not exist."""
    names = {app, *(each.name for each in services if not each.headless)}
    return {Target.app(model, app), *(Target.service(model, name) for name in names)}


class _Reached(msgspec.Struct, frozen=True):
    """Where an entry's application is reached."""

    entry: Entry
    model: str
    services: list[ServiceFacts]

    @property
    def missing(self) -> str:
        """What does not exist yet of what the entry names; empty: nothing."""
        entry = self.entry
        if not self._addressed:
            return f"Service {self.model}/{entry.to} does not exist yet"
        if any(True for _ in itertools.chain(self._at_services(), self._at_pods())):
            return ""
        ports = ", ".join(map(str, entry.ports))
        if entry.is_http:
            return f"no Service of {entry.to} has port {ports}"
        return f"the port of the pods of {entry.to} behind {ports} is known by name only"

    def requests(self, place: str, established: Collection[Target]) -> Iterator[AccessRequest]:
        """Yield a request for each target; where there is none, those that keep targets closed."""
        source = self.entry.clients.source(self.model)
        if self.missing:
            for target in sorted(_targets(self.entry.to, self.services, self.model)):
                if target in established:
                    yield AccessRequest(REQUESTER, place, target, None, established=True)
            return
        for target, operation in (*self._at_services(), *self._at_pods()):
            operations = () if operation == Operation() else (operation,)
            yield AccessRequest(REQUESTER, place, target, source, operations)

    def _at_services(self) -> Iterator[tuple[Target, Operation]]:
        """Yield the Services that have one of the ports, with what may be done there."""
        entry = self.entry
        if entry.clients.source(self.model).kind is SourceKind.OUTSIDE:
            return
        for service in self._addressed:
            offered = {each.port for each in service.ports}
            ports = tuple(port for port in entry.ports if port in offered)
            if ports or not entry.ports:
                operation = Operation(ports=ports, methods=entry.methods, paths=entry.paths)
                yield Target.service(self.model, service.name), operation

    def _at_pods(self) -> Iterator[tuple[Target, Operation]]:
        """Yield the pods, with the ports behind those of the Services."""
        if self.entry.is_http:
            return
        ports = {pods for port in self.entry.ports for pods in self._pod_ports(port)}
        if ports or not self.entry.ports:
            yield Target.app(self.model, self.entry.to), Operation(ports=tuple(sorted(ports)))

    def _pod_ports(self, number: int) -> set[int]:
        """Return the ports of the pods behind a port, by Service; those known by name left out."""
        offered = [port for each in self._addressed for port in each.ports if port.port == number]
        if not offered:
            return {number}
        return {port.target for port in offered if isinstance(port.target, int)}

    @property
    def _addressed(self) -> list[ServiceFacts]:
        return [each for each in self.services if not each.headless]


def _pending(place: str, message: str) -> Problem:
    error = InvalidValueError(message, "", place)
    return problem_of_option(OPTION, error, Code.EXTRA_TARGET_ABSENT)
