# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What follows from the acknowledgements of proxies: which refuse, lag behind, or are missing."""

import bisect
import datetime
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from istio_ambient import kube
from istio_ambient.acceptance._reports import ZTUNNEL, Acknowledgement, Proxy, Report
from istio_ambient.acceptance._verdicts import Finding
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem
from istio_ambient.values.text import printable

PATIENCE = 10.0
"""Seconds after which a proxy that has not answered is reported."""

_WORDS, _APPS = 50, 20
"""Characters of a proxy's own words, and of the applications that they are about, in a status; the
log has all of them."""
_PREAMBLE = r"^Error adding/updating listener\(s\) \S+: "
_SEARCHED = 4000
"""Characters of a proxy's words in which texts of applications are looked for."""
_MIN_TEXT, _LONG_TEXT = 3, 8
"""Characters of a text, with signs in it or of letters only, below which its occurrence in a
proxy's words proves nothing."""
_NAMES: Mapping[str, str] = {
    "Authorization": "policies",
    "Address": "workloads",
    "Cluster": "clusters",
    "ClusterLoadAssignment": "endpoints",
    "Listener": "listeners",
    "RouteConfiguration": "routes",
}


class Workload(msgspec.Struct, frozen=True):
    """The pods that istiod makes of a Gateway."""

    what: str
    """As a status names it: `waypoint`."""
    name: str
    """Of the Deployment."""
    namespace: str
    replicas: int
    """The number of pods that are ready, and so should be connected."""

    def owns(self, proxy: Proxy) -> bool:
        """Return whether a proxy is one of the pods."""
        return (proxy.namespace, proxy.deployment) == (self.namespace, self.name)


def proxy_findings(
    reports: Sequence[Report], workload: Workload, texts: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what the pods of a gateway do not take, and how many have no connection to istiod.

    Args:
        reports: of all istiods; where one did not answer, nothing is said about connections.
        workload: the gateway.
        texts: text that occurs in the gateway's configuration, to the application it is from.
    """
    found = {p.name: (p, r) for r in reports for p in r.proxies if workload.owns(p)}

    @functools.cache
    def authors_of(words: str) -> list[str]:
        return authors(words, texts)

    for proxy, report in found.values():
        yield from _findings(workload.what, proxy, report, authors_of)
    known = bool(reports) and not any(report.fault or report.is_foreign for report in reports)
    if known and len(found) < workload.replicas:
        reason = f"{len(found)} of {workload.replicas} pods are connected to istiod"
        reason = f"{reason}, changes wait"
        code = Code.PROXY_NOT_CONNECTED
        yield kube.Readiness(workload.what, ready=False, reason=reason, code=code)


def ztunnel_findings(reports: Iterable[Report]) -> Iterator[Finding]:
    """Yield what ztunnels do not take."""
    for report in reports:
        for proxy in report.proxies:
            if proxy.type == ZTUNNEL:
                yield from _findings(f"ztunnel {proxy.name}", proxy, report, lambda _: [])


def refusals(reports: Iterable[Report]) -> frozenset[tuple[str, str]]:
    """Return what is refused: pod and kind of configuration."""
    return frozenset(
        (f"{proxy.name}.{proxy.namespace}", each.kind)
        for report in reports
        for proxy in report.proxies
        for each in proxy.acknowledgements
        if each.error
    )


def texts(contents: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the texts in what applications brought, to the application that alone brought each.

    Args:
        contents: application, and what it brought: texts, collections, structs, models of these.
    """
    found: dict[str, set[str]] = {}
    for app, content in contents:
        for text in _texts_in(content):
            found.setdefault(text, set()).add(app)
    return {text: min(apps) for text, apps in found.items() if len(apps) == 1}


def _texts_in(content: object) -> Iterator[str]:
    if isinstance(content, str):
        # A short word occurs by chance, `/a(` does not.
        if len(content) >= _LONG_TEXT or (len(content) >= _MIN_TEXT and not content.isalnum()):
            yield content
    elif isinstance(content, Mapping):
        for each in cast(Mapping[object, object], content).items():
            yield from _texts_in(each)
    elif isinstance(content, tuple | list | set | frozenset):
        for each in cast(Collection[object], content):
            yield from _texts_in(each)
    elif isinstance(content, msgspec.Struct):
        yield from _texts_in(msgspec.structs.asdict(content))
    elif hasattr(content, "model_fields_set"):
        yield from _texts_in(vars(content))


def authors(words: str, texts: Mapping[str, str]) -> list[str]:
    """Return the applications whose texts occur in a proxy's words, by the longest such texts.

    Both are foreign: the work grows with the number of texts, and hardly with that of the words.
    """
    ends = sorted(words[start:_SEARCHED] for start in range(min(len(words), _SEARCHED)))
    found: list[tuple[int, int, str]] = []
    for text, app in texts.items():
        # Whatever begins with the text is at its place in the order, or right behind it.
        place = bisect.bisect_left(ends, text)
        if place < len(ends) and ends[place].startswith(text):
            start = min(len(words), _SEARCHED) - len(ends[place])
            found.append((start, -len(text), app))
    apps: set[str] = set()
    covered = 0
    for start, negative, app in sorted(found):
        # A text that is part of another one that occurs adds nothing: `/a(` and `/a(b`.
        if start - negative > covered:
            covered = start - negative
            apps.add(app)
    return sorted(apps)


def essence(words: str, limit: int) -> str:
    """Return the part of a proxy's words that says what is wrong, within a limit of characters."""
    plain = " ".join(words.encode("ascii", "replace").decode().split())
    return printable(re.sub(_PREAMBLE, "", plain), limit)


def _findings(
    what: str, proxy: Proxy, report: Report, authors_of: Callable[[str], Sequence[str]]
) -> Iterator[Finding]:
    for each in proxy.acknowledgements:
        name = _NAMES.get(each.kind, each.kind)
        if each.error:
            yield _refusal(what, name, each.error, authors_of(each.error[:_SEARCHED]))
        elif report.now is not None and _lags(each, report.now):
            reason = f"it has not acknowledged {name} for {PATIENCE:g} s, so changes wait"
            yield kube.Readiness(what, ready=False, reason=reason, code=Code.PROXY_BEHIND)


def _lags(acknowledgement: Acknowledgement, now: datetime.datetime) -> bool:
    return acknowledgement.silence(now) > PATIENCE


def _refusal(what: str, name: str, words: str, apps: Sequence[str]) -> Problem:
    return Problem(
        app=printable(", ".join(apps), _APPS),
        endpoint=what,
        field="",
        message=f"refuses {name}: {essence(words, _WORDS)}",
        remedy="correct it, changes wait",
        code=Code.PROXY_REFUSES,
    )
