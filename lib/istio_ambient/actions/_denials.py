# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What proxies recorded: action `list-denials` of beacon and ingress, and `explain log=`."""

import datetime
import re
from collections.abc import Iterable, Sequence

from istio_ambient import kube
from istio_ambient.actions import _reading
from istio_ambient.authorization import evaluator
from istio_ambient.charm import parameters
from istio_ambient.cluster import proxy_logs
from istio_ambient.explain import access_log, denial_counters, denials
from istio_ambient.explain.directory import Attempt, Directory, ProxyPod
from istio_ambient.values import tables, text

_SINCE = re.compile(r"(\d{1,5})([smh])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_LONGEST = datetime.timedelta(hours=24)
_DEFAULT = "1h"
MAX_GROUPS = 200
"""Kinds of refused requests that are judged and shown, the newest ones."""


def since(params: parameters.Params) -> datetime.timedelta:
    """Return parameter `since`; an hour where it is not given.

    Raises:
        ParameterError: it is no duration, or longer than a day.
    """
    found = _SINCE.fullmatch(parameters.text_of(params, "since") or _DEFAULT)
    duration = datetime.timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if not duration or duration > _LONGEST:
        raise parameters.ParameterError("since: use 30s, 15m or 2h; at most 24h")
    return duration


def list_denials(
    client: kube.Client,
    params: parameters.Params,
    proxies: Sequence[ProxyPod],
    judge: denials.Judge,
    topology: evaluator.Topology,
    model: str,
) -> _reading.Results:
    """Return what proxies refused lately: recorded facts first, then what policies say now.

    Args:
        client: reads logs.
        params: of the action.
        proxies: whose logs are read.
        judge: says what the policies say now.
        topology: of the cluster.
        model: the model of the application; what ztunnels logged about others is left out.

    Raises:
        ParameterError: `since` or the format is not known.
    """
    form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
    age, app = since(params), parameters.text_of(params, "app")
    now = datetime.datetime.now(datetime.UTC)
    logs = proxy_logs.read(client, proxies, age)
    directory = Directory(topology)
    refused = list(denials.refused(directory, logs.entries))
    own = [each for each in refused if each.is_of(model)]
    attempts = [each for each in own if not app or app in _names(each)]
    groups = denials.groups(attempts)
    policies = topology.snapshot.policies
    found = [denials.denial(group, judge, policies) for group in groups[:MAX_GROUPS]]
    render = denials.table if form == parameters.TABLE else denials.as_json
    results = tables.fitted(form, found, render)
    if len(groups) > MAX_GROUPS:
        left_out = int(results.get(f"{form}-left-out", 0)) + len(groups) - MAX_GROUPS
        results[f"{form}-left-out"] = left_out
    return {
        "refused": len(attempts),
        "recorded": f"{denials.moment(now - age)} to {denials.moment(now)}, in {logs.read} of "
        f"{len(proxies)} logs",
        "policies-of": denials.moment(now),
        **results,
        **_not_weighed(found),
        **(_counted(client, proxies, form, model) if proxies and not logs.read else {}),
        **_notes(logs, proxies, len(refused) - len(own), topology, model),
    }


def _not_weighed(found: Sequence[denials.Denial]) -> dict[str, str]:
    """Return once what no judgement of these weighs."""
    texts = dict.fromkeys(each for denial in found for each in denial.not_weighed)
    return {"not-weighed": "\n".join(map(text.printable, texts))} if texts else {}


def _counted(
    client: kube.Client, proxies: Sequence[ProxyPod], form: str, model: str
) -> _reading.Results:
    """Return what proxies counted since they started, where no log could be read."""
    counted, unread = proxy_logs.read_counters(client, proxies)
    found = [each for each in counted if each.is_of(model)]
    render = denial_counters.table if form == parameters.TABLE else _reading.as_json
    says = "from counters since the proxies started: no method, no path, no time"
    return {
        **tables.fitted("counters", found, render),
        "counters-are": "\n".join([says, *unread]),
    }


def _notes(
    logs: denials.Logs,
    proxies: Sequence[ProxyPod],
    left_out: int,
    topology: evaluator.Topology,
    model: str,
) -> dict[str, str]:
    notes = list(logs.notes)
    if left_out:
        notes.append(f"left out: {left_out} refusals of other models, on the same nodes")
    has_gateway = any(each.proxy is evaluator.Proxy.GATEWAY for each in proxies)
    has_ztunnel = any(each.proxy is evaluator.Proxy.ZTUNNEL for each in proxies)
    if not has_ztunnel and not has_gateway and _has_meshed_pods(topology, model):
        notes.append(
            f"no ztunnel was found in {topology.snapshot.root_namespace}, Istio's root namespace, "
            "on the nodes of this model: refusals at pods are not listed"
        )
    if not proxies:
        notes.append("there is no pod of a proxy yet: see juju status")
    elif logs.read and not logs.entries:
        notes.append("no request is in the logs: there was none, or accessLogFile is empty")
    return {"notes": "\n".join(map(text.printable, notes))} if notes else {}


def _has_meshed_pods(topology: evaluator.Topology, model: str) -> bool:
    pods = topology.pods.values()
    return any(evaluator.key(each)[0] == model and topology.on_mesh(each) for each in pods)


def _names(attempt: Attempt) -> Iterable[str]:
    """Yield the names by which an operator may select an attempt."""
    for name in (attempt.sender.name, attempt.target):
        yield name
        yield name.rpartition("/")[2]
    if attempt.destination:
        yield attempt.destination.application
        yield f"{attempt.destination.address.namespace}/{attempt.destination.application}"


def explain_line(
    params: parameters.Params, judge: denials.Judge, topology: evaluator.Topology
) -> _reading.Results:
    """Return what a line of an access log records, then what the policies say about it now.

    Args:
        params: of the action; `log` is the line.
        judge: says what the policies say now.
        topology: of the cluster.

    Raises:
        ParameterError: it is no such line, or the format is not known.
    """
    form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
    line = parameters.text_of(params, "log")
    if len(line) > access_log.MAX_LINE:
        raise parameters.ParameterError(f"log: has more than {access_log.MAX_LINE} characters")
    found = access_log.parse(line)
    if found is None:
        raise parameters.ParameterError(
            "log: use one line of the access log of Envoy, in Istio's format, or of ztunnel"
        )
    directory = Directory(topology)
    attempt = directory.attempt(directory.pasted(found))
    judgement = judge(attempt)
    changed = denials.changes_since(attempt, judgement, topology.snapshot.policies)
    time = denials.moment(datetime.datetime.now(datetime.UTC))
    verdict = denials.now(attempt, judgement, changed)
    results: _reading.Results = {
        "recorded": str(found.refusal or "not refused"),
        "verdict-now": verdict,
    }
    if form == parameters.JSON:
        content = {
            "recorded": denials.data(attempt),
            "now": {
                "time": time,
                "verdict": verdict,
                "changed": list(changed),
                "remedies": list(judgement.remedies),
                "not-weighed": list(judgement.not_weighed),
            },
        }
        return {**results, parameters.JSON: _reading.whole(tables.as_json(content))}
    explained = denials.line_text(attempt, judgement, changed, time)
    return {**results, "explanation": explained}
