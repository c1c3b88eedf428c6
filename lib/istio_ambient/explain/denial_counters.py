# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Refusals that proxies counted since they started: what is left where there is no log. Pure.

Sources: ztunnel's `istio_tcp_connections_failed_total` (istio/ztunnel, `src/proxy/metrics.rs`),
Istio's standard metric `istio_requests_total`, and Envoy's statistics of the RBAC filter.
"""

import collections
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

from istio_ambient.authorization import evaluator
from istio_ambient.explain.directory import ProxyPod
from istio_ambient.values import tables

MAX_LINE = 8_192
_SAMPLE = re.compile(r"([a-z_][a-z0-9_]{0,200})(?:\{(.*)\})? ([0-9.e+]{1,30})(?: \d+)?$")
_LABEL = re.compile(r'(?<![a-z_])([a-z_]{1,64})="((?:[^"\\]|\\.)*)"')
_REFUSED = frozenset({"401", "403"})
_RBAC = "envoy_http_rbac"
_UNKNOWN = frozenset({"", "unknown"})


@dataclasses.dataclass(frozen=True, order=True)
class Counter:
    """A number of refusals; the members are keys of the JSON."""

    source: str
    target: str
    """Empty: the proxy does not count by source and target."""
    count: int
    by: str

    def is_of(self, model: str) -> bool:
        """Return whether source or target are of a model; ztunnels count those of all models."""
        is_named = f"{model}/" in (self.source[: len(model) + 1], self.target[: len(model) + 1])
        return is_named or not self.by.startswith(evaluator.Proxy.ZTUNNEL)


def counters(proxy: ProxyPod, exposition: str) -> list[Counter]:
    """Return what a proxy counted, each source and target once.

    Args:
        proxy: whose metrics these are.
        exposition: its metrics in the text format of Prometheus, with any content.
    """
    by = f"{proxy.proxy} {proxy.gateway}".rstrip()
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for name, labels, value in _samples(exposition):
        pair = _pair(name, labels)
        if pair is not None:
            found[pair] += value
    if any(target for _, target in found):
        # Envoy's own statistics count the same requests without names.
        found.pop(("", ""), None)
    return [
        Counter(source or "any source", target, count, by)
        for (source, target), count in sorted(found.items())
        if count
    ]


def _pair(name: str, labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Return source and target of a metric that counts refusals; None: it does not."""
    target = labels.get("destination_service", "").partition(".svc")[0]
    service, _, namespace = target.partition(".")
    target = f"{namespace}/{service}" if namespace else target
    if name == "istio_tcp_connections_failed_total":
        is_refusal = labels.get("response_flags") == "DENY"
        if not is_refusal or labels.get("reporter") != "destination":
            return None
        source = evaluator.short(labels.get("source_principal", "").removeprefix("spiffe://"))
        return ("a client without an identity" if source in _UNKNOWN else source), target
    if name == "istio_requests_total" and labels.get("response_code") in _REFUSED:
        where = labels.get("source_workload_namespace", "")
        workload = labels.get("source_workload", "")
        return ("unknown" if workload in _UNKNOWN else f"{where}/{workload}"), target
    is_refusal = name == _RBAC and labels.get("authz_enforce_result") == "denied"
    return ("", "") if is_refusal else None


def _samples(exposition: str) -> Iterator[tuple[str, Mapping[str, str], int]]:
    for line in exposition.split("\n"):
        found = _SAMPLE.match(line) if len(line) <= MAX_LINE else None
        if not found:
            continue
        try:
            value = int(float(found[3]))
        except (ValueError, OverflowError):
            continue
        yield found[1], dict(_LABEL.findall(found[2] or "")), value


def table(found: Sequence[Counter]) -> str:
    """Return counters as a table."""
    rows = [(each.source, each.target or "any target", str(each.count), each.by) for each in found]
    return tables.table(("source", "target", "refused", "by"), rows, empty="nothing was refused")
