# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What proxies refused lately, in groups: what is recorded, then what policies say now. Pure."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from istio_ambient import kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain.access_log import Cause
from istio_ambient.explain.directory import Attempt, Directory, Entry, Origin, as_time
from istio_ambient.values import tables
from istio_ambient.values.text import printable


@dataclasses.dataclass(frozen=True)
class Logs:
    """What the logs of proxies have."""

    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    """Logs that were not read, or in part, and why."""
    read: int = 0
    """How many logs were read."""


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
    known = [found for each in times if (found := as_time(each))]
    return max(known, default=None)


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


def _moment(attempt: Attempt) -> datetime.datetime:
    return attempt.recorded.time or datetime.datetime.min.replace(tzinfo=datetime.UTC)
