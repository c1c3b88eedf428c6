# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the access logs of waypoints, gateways and ztunnels: their last lines.

The charm needs `get` of `pods/log` in its own namespace and in Istio's root namespace.
"""

import collections
import concurrent.futures
import datetime
from collections.abc import Iterable, Sequence

from istio_ambient import gateways, kube
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_log, denial_counters, denials
from istio_ambient.explain.directory import Entry, ProxyPod
from istio_ambient.values import text

MAX_PODS = 12
"""Logs that one action reads, each in one request."""
MAX_LINES = 5_000
"""Of one log: the last ones."""
MAX_BYTES = 2 * 1024 * 1024
"""Of one log."""
_PARALLEL = 6
_METRICS = {False: (15090, "/stats/prometheus"), True: (15020, "/metrics")}
"""Port and path of metrics, of Envoy and of ztunnel (True)."""
_ZTUNNEL = {"app": "ztunnel"}
"""Label of ztunnel's pods, whichever installer made the DaemonSet."""


def proxies(
    snapshot: evaluator.Snapshot, namespace: str, gateway: str, *, ztunnel: bool
) -> list[ProxyPod]:
    """Return the pods whose logs have the refusals at a Gateway's targets, the newest first.

    Args:
        snapshot: of the cluster.
        namespace: of the Gateway, and of the pods that ztunnel guards.
        gateway: name of the Gateway, a waypoint or an ingress gateway.
        ztunnel: whether the ztunnels on the nodes of the namespace's pods belong to them.
    """
    found: list[tuple[evaluator.Manifest, evaluator.Proxy, str]] = []
    nodes = collections.Counter(
        pod.get("spec", {}).get("nodeName")
        for pod in snapshot.pods
        if evaluator.key(pod)[0] == namespace
    )
    proxy = _proxy_of(snapshot, namespace, gateway)
    for pod in snapshot.pods:
        where, labels = evaluator.key(pod)[0], evaluator.labels(pod)
        if where == namespace and labels.get(gateways.NAME_LABEL) == gateway:
            found.append((pod, proxy, f"{where}/{gateway}"))
        # In another namespace anybody could label a pod of their own so.
        elif (
            ztunnel
            and where == snapshot.root_namespace
            and _ZTUNNEL.items() <= labels.items()
            and nodes[pod.get("spec", {}).get("nodeName")]
        ):
            found.append((pod, evaluator.Proxy.ZTUNNEL, ""))
    found.sort(
        key=lambda each: (
            each[1] is evaluator.Proxy.ZTUNNEL,
            -nodes[each[0].get("spec", {}).get("nodeName")],
            evaluator.key(each[0]),
        )
    )
    return [
        ProxyPod(kube.Ref("v1", "Pod", *evaluator.key(pod)), proxy, where)
        for pod, proxy, where in found
    ]


def _proxy_of(snapshot: evaluator.Snapshot, namespace: str, name: str) -> evaluator.Proxy:
    waypoints = map(evaluator.key, filter(gateways.is_waypoint, snapshot.gateways))
    is_waypoint = (namespace, name) in waypoints
    return evaluator.Proxy.WAYPOINT if is_waypoint else evaluator.Proxy.GATEWAY


def read(client: kube.Client, pods: Sequence[ProxyPod], since: datetime.timedelta) -> denials.Logs:
    """Return what the proxies logged lately; a log that cannot be read is named with the reason.

    Args:
        client: reads logs.
        pods: the proxies; the first `MAX_PODS` are read.
        since: the age of the oldest line.
    """
    seconds = max(1, int(since.total_seconds()))

    def logged(pod: ProxyPod) -> str | kube.RequestError:
        try:
            return kube.read_log(
                client,
                pod.ref,
                "istio-proxy",
                since_seconds=seconds,
                tail_lines=MAX_LINES,
                limit_bytes=MAX_BYTES,
            )
        except kube.RequestError as error:
            return error

    chosen = pods[:MAX_PODS]
    with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(logged, chosen))
    entries: list[Entry] = []
    notes: list[str] = []
    read_logs = unknown_lines = long_lines = 0
    for pod, answer in zip(chosen, answers, strict=True):
        if isinstance(answer, kube.RequestError):
            notes.append(text.printable(f"not read: {answer}", text.MAX_MESSAGE))
            continue
        # Clients may write the other characters that end a line for Python, such as U+2028. What
        # follows the last newline is a line that was cut, whose fields are not where they belong.
        lines = answer.split("\n")[:-1]
        read_logs += 1
        readable = [line for line in lines if len(line) <= access_log.MAX_LINE]
        long_lines += len(lines) - len(readable)
        parsed = [(line, access_log.parse(line)) for line in readable]
        unknown_lines += sum(_is_foreign(line) for line, found in parsed if found is None)
        entries += (Entry(found, pod) for _, found in parsed if found is not None)
        notes += _cut(pod, lines, answer)
    if len(pods) > MAX_PODS:
        notes.append(f"not read: {len(pods) - MAX_PODS} more pods; {MAX_PODS} are read at most")
    if unknown_lines:
        notes.append(f"{unknown_lines} lines are in another format than Istio's (accessLogFormat)")
    if long_lines:
        notes.append(f"not read: {long_lines} lines of more than {access_log.MAX_LINE} characters")
    return denials.Logs(tuple(entries), tuple(notes), read_logs)


def read_counters(
    client: kube.Client, pods: Sequence[ProxyPod]
) -> tuple[list[denial_counters.Counter], list[str]]:
    """Return what the proxies counted, and why the metrics of some were not read.

    Args:
        client: asks the pods through the API server (`get` of `pods/proxy`).
        pods: the proxies; the first `MAX_PODS` are read.
    """

    def counted(pod: ProxyPod) -> list[denial_counters.Counter] | kube.RequestError:
        try:
            exposition = kube.read_from_pod(client, pod.ref, *_METRICS[not pod.gateway])
        except kube.RequestError as error:
            return error
        return denial_counters.counters(pod, exposition)

    with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(counted, pods[:MAX_PODS]))
    found = [each for answer in answers if isinstance(answer, list) for each in answer]
    errors = [answer for answer in answers if isinstance(answer, kube.RequestError)]
    return found, [text.printable(f"not read: {error}", text.MAX_MESSAGE) for error in errors]


def _is_foreign(line: str) -> bool:
    """Return whether a line may be one of an access log, in a format that is not known."""
    return line.startswith(("[20", '{"')) and "rbac_access_denied" in line


def _cut(pod: ProxyPod, lines: Sequence[str], answer: str) -> Iterable[str]:
    if len(lines) >= MAX_LINES:
        yield f"{pod.ref}: only its last {MAX_LINES} lines"
    if len(answer.encode()) >= MAX_BYTES:
        yield f"{pod.ref}: its newest lines are beyond {MAX_BYTES} bytes; use a smaller since="
