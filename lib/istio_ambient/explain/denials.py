# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What proxies refused lately, in groups: what is recorded, then what policies say now. Pure."""

import dataclasses
import datetime
import enum
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from istio_ambient import gateways, kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_log
from istio_ambient.explain.access_log import Cause, LoggedRequest
from istio_ambient.explain.applications import NamedDestination, NamedSource, SourceKind
from istio_ambient.values import tables
from istio_ambient.values.text import printable

_MAX_PATH = 100
_FOLDED = re.compile(
    r"(?<=/)(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=[^/]*\d)[0-9a-fA-F]{16,})(?=/|$)"
)
"""Parts of a path that are an id: a number, a UUID, a hash."""
_NODE = "node"


class Origin(enum.StrEnum):
    """What is known about the sender of a request."""

    WORKLOAD = "workload"
    """A pod of the cluster, or an identity of the mesh."""
    NODE = "node"
    OUTSIDE = "outside"
    """An address that no pod has, or had at that time."""
    INSIDE = "inside"
    """An address of the pods' network that no pod has: a node's, or of a pod that is gone."""
    CLAIMED = "claimed"
    """The client may have written the address itself: nobody knows who it was."""


@dataclasses.dataclass(frozen=True)
class ProxyPod:
    """A pod whose log is an access log."""

    ref: kube.Ref
    proxy: evaluator.Proxy
    gateway: str = ""
    """`<namespace>/<name>` of its Gateway; empty: ztunnel."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of an access log, and the proxy that wrote it."""

    request: LoggedRequest
    proxy: ProxyPod


@dataclasses.dataclass(frozen=True)
class Logs:
    """What the logs of proxies have."""

    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    """Logs that were not read, or in part, and why."""
    read: int = 0
    """How many logs were read."""


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who sent a request."""

    origin: Origin
    name: str
    """`<namespace>/<application>`, or an address."""
    named: NamedSource | None = None
    """None: not of the cluster."""
    identified: bool = False
    """Whether the proxy verified the identity; otherwise the address alone tells."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A recorded request, with names of the cluster in place of addresses."""

    recorded: LoggedRequest
    proxy: evaluator.Proxy
    where: str
    """`<namespace>/<name>` of the Gateway, or of the pod behind ztunnel."""
    sender: Sender
    target: str
    """`<namespace>/<application or Service>`, or the host at a gateway."""
    destination: NamedDestination | None = None
    """None: nothing in the cluster has the address now."""

    @property
    def model(self) -> str:
        """The namespace of the target; empty: not known."""
        recorded = self.recorded
        if self.destination:
            return self.destination.address.namespace
        return (recorded.pod or recorded.service or ("",))[0]

    def is_of(self, model: str) -> bool:
        """Return whether a model may see a request: its own proxies, its target or its source.

        The ztunnel of a node logs the connections of all models; a source counts if verified.
        """
        if self.proxy is not evaluator.Proxy.ZTUNNEL or self.model == model:
            return True
        named = self.sender.named if self.sender.identified else None
        return named is not None and named.namespace == model

    @property
    def folded_path(self) -> str:
        """The path without query, ids replaced by `*`."""
        path = self.recorded.path.partition("?")[0]
        return printable(_FOLDED.sub("*", path), _MAX_PATH)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the policies say about a request now."""

    verdict: str
    """`denied: …`, `allowed: …`, `conditional: …`, or why it cannot be told."""
    is_denied: bool = False
    policies: tuple[evaluator.PolicyRef, ...] = ()
    """Those that the proxy enforces."""
    remedies: tuple[str, ...] = ()
    not_weighed: tuple[str, ...] = ()
    """What may decide otherwise and is not known here."""


@dataclasses.dataclass(frozen=True)
class Denial:
    """Refused requests of one kind; the members are keys of the JSON."""

    source: str
    target: str
    port: int | None
    method: str
    path: str
    """Ids are `*`; empty: the proxy does not read HTTP."""
    count: int
    first: str
    last: str
    """In UTC, `2026-11-26T09:43:05Z`."""
    by: str
    """The proxy."""
    why: str
    """As recorded."""
    now: str
    """What the policies say now."""
    changed: tuple[str, ...]
    """Policies that were written after the last refusal."""
    remedies: tuple[str, ...]
    not_weighed: tuple[str, ...]
    """What may decide otherwise now and is not known here."""


Judge = Callable[[Attempt], Judgement]


class Directory:
    """Finds who has an address, by the objects of the cluster.

    Args:
        topology: of the cluster.
    """

    def __init__(self, topology: evaluator.Topology):
        self.topology = topology
        self._pods: dict[str, evaluator.Manifest] = {}
        self._nodes: dict[str, str] = {}
        for pod in topology.pods.values():
            status = kube.section(pod, "status")
            node = str(kube.section(pod, "spec").get("nodeName") or "")
            for each in (status.get("hostIP"), *_addresses(status, "hostIPs")):
                self._nodes[str(each)] = node
            if not kube.section(pod, "spec").get("hostNetwork"):
                for each in (status.get("podIP"), *_addresses(status)):
                    self._pods[str(each)] = pod
        self._networks = frozenset({_network(each) for each in self._pods} - {""})
        self._services = {
            str(address): service
            for service in topology.services.values()
            for address in kube.section(service, "spec").get("clusterIPs")
            or [kube.section(service, "spec").get("clusterIP")]
        }

    def attempt(self, entry: Entry) -> Attempt:
        """Return a recorded request with the names that its addresses stand for."""
        request, proxy = entry.request, entry.proxy
        destination = self._destination(request, proxy.proxy)
        target = request.host if proxy.proxy is evaluator.Proxy.GATEWAY else ""
        if not target and destination is None and request.pod:
            target = f"{'/'.join(request.pod)} (gone)"
        if not target and destination:
            address = destination.address
            name = destination.application if request.pod else address.name
            target = f"{address.namespace}/{name or address.name}"
        where = proxy.gateway or "/".join(request.pod or (request.destination_ip,))
        return Attempt(
            request,
            proxy.proxy,
            where,
            self.sender(request, proxy.proxy),
            printable(target or request.destination_ip, _MAX_PATH),
            destination,
        )

    def pasted(self, request: LoggedRequest) -> Entry:
        """Return the entry for a line of which nobody said which proxy wrote it."""
        if request.recorder is access_log.Recorder.ZTUNNEL:
            return Entry(request, ProxyPod(kube.Ref("v1", "Pod", "", ""), evaluator.Proxy.ZTUNNEL))
        pod = self._pods.get(request.destination_ip)
        gateway = evaluator.labels(pod).get(gateways.NAME_LABEL) if pod else None
        where, proxy = "", evaluator.Proxy.WAYPOINT
        if pod and gateway:
            where = f"{evaluator.key(pod)[0]}/{gateway}"
            proxy = evaluator.Proxy.GATEWAY
        return Entry(request, ProxyPod(kube.Ref("v1", "Pod", "", ""), proxy, where))

    def sender(self, request: LoggedRequest, proxy: evaluator.Proxy) -> Sender:
        """Return who sent a request that a proxy recorded, unless the client can choose that."""
        if request.is_forwarded and proxy is evaluator.Proxy.WAYPOINT:
            claim = f"X-Forwarded-For, which a client can write, says {request.source_ip or '?'}"
            return Sender(Origin.CLAIMED, f"unknown: {claim}")
        if request.source_identity:
            namespace, _, account = request.source_identity.partition("/")
            pods = self.topology.pods_of_identity(request.source_identity)
            name = _name(pods[0]) if pods else account
            return _workload(namespace, name, request.source_identity, identified=True)
        pod = _then(self._pods.get(request.source_ip), request)
        if pod:
            sender = _workload(evaluator.key(pod)[0], _name(pod), evaluator.identity(pod))
            on_mesh = self.topology.on_mesh(pod) or gateways.NAME_LABEL in evaluator.labels(pod)
            named = dataclasses.replace(sender.named, on_mesh=on_mesh) if sender.named else None
            return dataclasses.replace(sender, named=named)
        if request.source_ip in self._nodes:
            return Sender(Origin.NODE, f"{_NODE} {self._nodes[request.source_ip]}")
        is_inside = _network(request.source_ip) in self._networks
        origin = Origin.INSIDE if is_inside else Origin.OUTSIDE
        return Sender(origin, request.source_ip or "unknown address")

    def _destination(
        self, request: LoggedRequest, proxy: evaluator.Proxy
    ) -> NamedDestination | None:
        if proxy is evaluator.Proxy.ZTUNNEL:
            return self._to_pod(self._guarded(request))
        if request.service:
            service = self.topology.services.get(request.service[:2])
        else:
            service = _then(self._services.get(request.destination_ip), request)
        if service is not None:
            return self._to_service(service)
        if proxy is evaluator.Proxy.GATEWAY:
            return None
        return self._to_pod(_then(self._pods.get(request.destination_ip), request))

    def _guarded(self, request: LoggedRequest) -> evaluator.Manifest | None:
        """Return the pod that ztunnel guarded, or one in its place if it is gone."""
        if request.pod is None:
            return _then(self._pods.get(request.destination_ip), request)
        pod = self.topology.pods.get(request.pod)
        # Somebody else may have the address by now.
        service = self.topology.services.get(request.service[:2]) if request.service else None
        is_own = request.service is not None and request.service[0] == request.pod[0]
        others = self.topology.pods_of(service) if service and is_own else []
        return pod or next(iter(others), None)

    def _to_pod(self, pod: evaluator.Manifest | None) -> NamedDestination | None:
        if pod is None:
            return None
        namespace = evaluator.key(pod)[0]
        address = evaluator.Destination.workload(namespace, evaluator.application(pod))
        return NamedDestination(address, address, evaluator.labels(pod))

    def _to_service(self, service: evaluator.Manifest) -> NamedDestination:
        address = evaluator.Destination.service(*evaluator.key(service))
        pods = self.topology.pods_of(service)
        if not pods:
            selector = kube.section(kube.section(service, "spec"), "selector")
            return NamedDestination(address, None, selector)
        workload = evaluator.Destination.workload(
            address.namespace, evaluator.application(pods[0])
        )
        return NamedDestination(address, workload, evaluator.labels(pods[0]))


def refused(directory: Directory, entries: Iterable[Entry]) -> Iterator[Attempt]:
    """Yield the attempts that were refused, each once.

    A tunnel of a waypoint, and ztunnel at the source, record what the proxy at the target records
    too. What a waypoint logs about a pod that refused it is in the log of that pod's ztunnel.
    """
    for entry in entries:
        request = entry.request
        refusal = request.refusal
        if refusal is None or request.is_tunnel or not request.is_inbound:
            continue
        # The list of a gateway has no ztunnel's log.
        is_gateway = entry.proxy.proxy is evaluator.Proxy.GATEWAY
        if is_gateway or refusal.cause is not Cause.AT_THE_POD:
            yield directory.attempt(entry)


def groups(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Return the attempts of each kind, the kind with the newest refusal first."""
    found: dict[tuple[object, ...], list[Attempt]] = {}
    for each in attempts:
        request = each.recorded
        by = each.where if each.proxy is not evaluator.Proxy.ZTUNNEL else each.proxy
        members = request.port, request.method, each.folded_path, by, str(request.refusal)
        found.setdefault((each.sender.name, each.target, *members), []).append(each)
    for group in found.values():
        group.sort(key=_moment)
    return sorted(found.values(), key=lambda group: _moment(group[-1]), reverse=True)


def denial(
    group: Sequence[Attempt], judge: Judge, policies: Sequence[evaluator.Manifest]
) -> Denial:
    """Return refused requests of one kind, with what the policies say about the last one now.

    Args:
        group: as `groups` returns it.
        judge: of the last one.
        policies: AuthorizationPolicies of the cluster.
    """
    last = group[-1]
    request, judgement = last.recorded, judge(last)
    changed = changes_since(last, judgement, policies)
    return Denial(
        source=last.sender.name,
        target=last.target,
        port=request.port,
        method=request.method,
        path=last.folded_path,
        count=len(group),
        first=moment(group[0].recorded.time),
        last=moment(request.time),
        by=f"{last.proxy} {last.where}",
        why=str(request.refusal),
        now=now(last, judgement, changed),
        changed=changed,
        remedies=judgement.remedies,
        not_weighed=judgement.not_weighed,
    )


def now(attempt: Attempt, judgement: Judgement, changed: Sequence[str]) -> str:
    """Return what the policies say now, and whether that is what was recorded."""
    verdict = judgement.verdict
    refusal = attempt.recorded.refusal
    if refusal is None:
        return verdict + ("; it was let pass then" if judgement.is_denied else "")
    if not judgement.is_denied and verdict.startswith(str(evaluator.Decision.ALLOWED)):
        return f"{verdict}; what refused it has changed, or is no policy"
    if changed:
        return f"{verdict}; policies have changed since"
    return verdict


def changes_since(
    attempt: Attempt, judgement: Judgement, policies: Iterable[evaluator.Manifest]
) -> tuple[str, ...]:
    """Return the policies that were written after a request, with the time: `shop/a at 2026-…`.

    Args:
        attempt: the request; where its time is not known, nothing is said.
        judgement: names the policies that matter now.
        policies: of the cluster.
    """
    since, wanted = attempt.recorded.time, set(_about(attempt, judgement))
    found = sorted(
        (*evaluator.key(each), written)
        for each in policies
        if since is not None and evaluator.key(each) in wanted
        for written in [_written(each)]
        if written is not None and written > since
    )
    return tuple(f"{where}/{name} at {moment(written)}" for where, name, written in found)


def _about(attempt: Attempt, judgement: Judgement) -> Iterator[tuple[str, str]]:
    refusal = attempt.recorded.refusal
    if refusal and refusal.policy:
        yield refusal.policy.namespace, refusal.policy.name
    yield from ((ref.namespace, ref.name) for ref in judgement.policies if not ref.synthetic)


def _written(policy: evaluator.Manifest) -> datetime.datetime | None:
    """Return when a policy was last changed, its status left aside."""
    metadata = kube.section(policy, "metadata")
    times = [metadata.get("creationTimestamp")] + [
        each.get("time")
        for each in kube.items(metadata, "managedFields")
        if each.get("subresource") != "status"
    ]
    known = [found for each in times if (found := _as_time(each))]
    return max(known, default=None)


def _as_time(value: object) -> datetime.datetime | None:
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    try:
        found = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def moment(time: datetime.datetime | None) -> str:
    """Return a time in UTC to the second; empty: not known."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time else ""


def table(entries: Sequence[Denial]) -> str:
    """Return denials as text: facts first, then what the policies say now, and the remedies."""
    blocks = [
        "\n".join(printable(line) for line in (_headline(each), *_details(each)))
        for each in entries
    ]
    return "\n\n".join(blocks) or "no refused requests"


def _headline(entry: Denial) -> str:
    port = f":{entry.port}" if entry.port is not None else ""
    operation = " ".join(part for part in (entry.method, entry.path) if part)
    what = f", {operation}" if operation else ""
    arrow = "\N{RIGHTWARDS ARROW}"
    return f"{entry.count}x {entry.source} {arrow} {entry.target}{port}{what}"


def _details(entry: Denial) -> Iterator[str]:
    last = f"last {entry.last}" + (f", first {entry.first}" if entry.count > 1 else "")
    yield f"  recorded: {entry.why}, by {entry.by}; {last}"
    yield f"  now: {entry.now}"
    yield from (f"    changed since: {each}" for each in entry.changed)
    yield from (f"  - {each}" for each in entry.remedies)


def as_json(entries: Sequence[Denial]) -> str:
    """Return denials as a JSON list."""
    return tables.as_json([dataclasses.asdict(each) for each in entries])


def recorded(attempt: Attempt) -> list[str]:
    """Return what a line records, one fact a line: when, who, what, by which proxy, why."""
    request, sender = attempt.recorded, attempt.sender
    proof = "its identity was verified" if sender.identified else "by its address"
    by_whom = f"{sender.name} ({proof})" if sender.origin is Origin.WORKLOAD else sender.name
    if sender.origin is not Origin.CLAIMED:
        by_whom = f"{by_whom}, {request.source_ip}"
    operation = " ".join(part for part in (request.method, request.path) if part)
    port = f":{request.port}" if request.port is not None else ""
    outcome = str(request.refusal) if request.refusal else "no proxy refused it"
    status = f"{request.status}, " if request.status is not None else ""
    facts: Mapping[str, str] = {
        "time": moment(request.time) or "not recorded",
        "source": by_whom,
        "target": f"{attempt.target}{port}",
        "request": operation or "not read: the proxy does not read HTTP",
        "host": request.host,
        "proxy": f"{attempt.proxy} {attempt.where}".strip(),
        "outcome": f"{status}{outcome}",
    }
    return [printable(f"{name:<8} {fact}", 500) for name, fact in facts.items() if fact]


def line_text(attempt: Attempt, judgement: Judgement, changed: Sequence[str], time: str) -> str:
    """Return what one line records, then what the policies say, as text in paragraphs."""
    parts = ["\n".join(["recorded", *(f"  {line}" for line in recorded(attempt))])]
    lines = [f"now, {time}", f"  {now(attempt, judgement, changed)}"]
    lines += [f"  changed since: {each}" for each in changed]
    parts.append("\n".join(map(printable, lines)))
    if judgement.remedies:
        steps = (f"- {printable(each)}" for each in judgement.remedies)
        parts.append("\n".join(["To allow it:", *steps]))
    if judgement.not_weighed:
        parts.append(printable(f"not weighed: {'; '.join(judgement.not_weighed)}"))
    return "\n\n".join(parts)


def data(attempt: Attempt) -> dict[str, Any]:
    """Return what a line records as a value that JSON can hold."""
    request = attempt.recorded
    return {
        "time": moment(request.time),
        "source": attempt.sender.name,
        "source-is": str(attempt.sender.origin),
        "identity-verified": attempt.sender.identified,
        "source-ip": request.source_ip,
        "target": attempt.target,
        "port": request.port,
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "status": request.status,
        "proxy": str(attempt.proxy),
        "where": attempt.where,
        "why": str(request.refusal or ""),
    }


def _name(pod: evaluator.Manifest) -> str:
    """Return the Gateway that a pod is a proxy of, else its application."""
    return evaluator.labels(pod).get(gateways.NAME_LABEL) or evaluator.application(pod)


def _workload(namespace: str, name: str, identity: str, *, identified: bool = False) -> Sender:
    # Whether Juju knows it is looked up where it matters.
    named = NamedSource(namespace, name, identity, kind=SourceKind.OTHER)
    return Sender(Origin.WORKLOAD, printable(str(named), _MAX_PATH), named, identified)


def _then(found: evaluator.Manifest | None, request: LoggedRequest) -> evaluator.Manifest | None:
    """Return what has an address now, if it had the address at the time of a request."""
    return found if found and _existed(found, request.time) else None


def _existed(pod: evaluator.Manifest, time: datetime.datetime | None) -> bool:
    """Return whether a pod existed at a time: addresses are used again."""
    made = _as_time(kube.section(pod, "metadata").get("creationTimestamp"))
    return made is None or time is None or made <= time


def _addresses(status: Mapping[str, Any], field: str = "podIPs") -> list[object]:
    return [each.get("ip") for each in kube.items(status, field)]


def _network(address: str) -> str:
    """Return the network that a pod's address usually shares with its node's bridge."""
    try:
        length = 24 if ipaddress.ip_address(address).version == 4 else 64
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    except ValueError:
        return ""


def _moment(attempt: Attempt) -> datetime.datetime:
    return attempt.recorded.time or datetime.datetime.min.replace(tzinfo=datetime.UTC)
