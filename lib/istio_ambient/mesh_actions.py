# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of istio-beacon-k8s about access: they read, and change nothing."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
import lightkube
import ops

from istio_ambient import action_output, charm, istiod, kube, mesh, mesh_snapshot
from istio_ambient.desired import Desired
from istio_ambient.mesh import (
    access_changes,
    access_list,
    applications,
    cures,
    evaluator,
    explanation,
    outcomes,
)

Results = dict[str, Any]
Params = Mapping[str, Any]

TABLE, JSON = "table", "json"
_CONTROL_PLANE = "istio-k8s"
"""Whose hardened mode is assumed where nobody says who installed istiod."""
_MAX_PORT = 65535


class ParameterError(ValueError):
    """A parameter of an action that cannot be used; the message names it and the cure."""


class MeshActions(ops.Object):
    """Answers `explain`, `list-access`, `list-requests` and `preview`.

    Args:
        beacon: the charm, which has these actions.
        endpoint: where applications ask for access.
    """

    def __init__(self, beacon: charm.ReconcilingCharm[mesh.Facts], endpoint: str):
        super().__init__(beacon, "mesh-actions")
        self._beacon = beacon
        self._endpoint = endpoint
        for name, handler in (
            ("explain", self._on_explain),
            ("list-access", self._on_list_access),
            ("list-requests", self._on_list_requests),
            ("preview", self._on_preview),
        ):
            self.framework.observe(beacon.on[name].action, handler)

    def _on_explain(self, event: ops.ActionEvent) -> None:
        self._answer(event, self._explain)

    def _on_list_access(self, event: ops.ActionEvent) -> None:
        self._answer(event, self._list_access)

    def _on_list_requests(self, event: ops.ActionEvent) -> None:
        self._answer(event, self._list_requests)

    def _on_preview(self, event: ops.ActionEvent) -> None:
        self._answer(event, self._preview)

    def _answer(self, event: ops.ActionEvent, answer: Callable[[Params], Results]) -> None:
        try:
            event.set_results(answer(event.params))
        except (
            ParameterError,
            applications.UnknownNameError,
            evaluator.UnknownTargetError,
            istiod.NoIstiodError,
        ) as error:
            event.fail(str(error))
        except httpx2.HTTPError as error:
            event.fail(kube.fault_of(error, "reading the cluster", self._beacon.app.name).text)
        except lightkube.ConfigError as error:
            event.fail(f"no cluster to talk to: {error}")

    def _explain(self, params: Params) -> Results:
        form = _choice(params, "format", (TABLE, JSON))
        model = self._beacon.model.name
        wanted = _required(params, "source"), _required(params, "target")
        port, path = _port(params), _path(params)
        control_plane, snapshot = self._read()
        judge = evaluator.Evaluator(snapshot)
        source = applications.source(judge.topology, wanted[0], model)
        target = applications.destination(judge.topology, wanted[1], model)
        request = evaluator.Request(
            source=source.identity,
            target=target.target,
            port=port,
            method=_text(params, "method").upper() or None,
            path=path,
            host=_text(params, "host") or None,
        )
        _, facts = self._beacon.look()
        verdict = judge.evaluate(request)
        explained = explanation.Explanation(
            case=cures.Case(
                facts=facts,
                members=self._members(),
                control_plane=control_plane.owner,
                root_namespace=control_plane.root_namespace,
                source=source,
                destination=target,
                verdict=verdict,
            ),
            request=request,
            snapshot=snapshot,
            straight=_straight(judge, request, target, verdict),
        )
        results = {"verdict": str(verdict.decision), "decided-by": explained.where or "nobody"}
        if form == JSON:
            return {**results, JSON: _whole(action_output.as_json(explanation.data(explained)))}
        text, _ = action_output.fitting(explanation.text(explained).split("\n"), "\n".join)
        return {**results, "explanation": text}

    def _list_access(self, params: Params) -> Results:
        model = self._beacon.model.name
        forms = access_list.forms(f"Who may reach whom, {model}")
        form = _choice(params, "format", tuple(forms))
        _, snapshot = self._read()
        app = _text(params, "app")
        if app:
            topology = evaluator.Topology(snapshot)
            model, app = applications.split(topology, app, model)
            applications.check(topology, model, app)
        found = access_list.access_list(snapshot, model, app)
        return action_output.fitted(form, found.entries, forms[form])

    def _list_requests(self, params: Params) -> Results:
        form = _choice(params, "format", (TABLE, JSON))
        _, facts = self._beacon.look()
        found = outcomes.outcomes(facts)
        app = _text(params, "app")
        if app:
            known = self._members() | {asked.application for asked in found}
            if app not in known:
                there = ", ".join(sorted(known)) or "none"
                raise ParameterError(f"app: {app} is not integrated; those that are: {there}")
            found = [asked for asked in found if asked.application == app]
        render = outcomes.text if form == TABLE else _as_json
        counts = {
            str(outcome).replace(" ", "-"): sum(asked.outcome is outcome for asked in found)
            for outcome in outcomes.Outcome
        }
        return {
            **action_output.fitted(form, found, render),
            **{k: n for k, n in counts.items() if n},
        }

    def _preview(self, params: Params) -> Results:
        form = _choice(params, "format", (TABLE, JSON))
        live, facts = self._beacon.look()
        managed = params.get("manage-authorization-policies")
        if managed is not None:
            facts = dataclasses.replace(facts, manage_policies=bool(managed))
        steps, plan = self._steps(self._beacon.desired(facts), live)
        control_plane, before = self._read()
        after = access_changes.carried_out(before, plan)
        hardened = params.get("hardened-mode")
        if hardened is not None:
            owner = control_plane.owner or f"{control_plane.root_namespace}/{_CONTROL_PLANE}"
            after = access_changes.hardened(after, owner, on=bool(hardened))
        changes = access_changes.changes(before, after)
        if form == JSON:
            return {
                **action_output.fitted("plan", steps, _as_json),
                **action_output.fitted("access", changes, access_changes.as_json),
            }
        return {
            **action_output.fitted(
                "plan", [str(step) for step in steps] or ["no change"], "\n".join
            ),
            **action_output.fitted("access", changes, access_changes.table),
        }

    def _steps(self, desired: Desired, live: kube.Live) -> tuple[list["Step"], kube.Plan]:
        """Return what a reconcile would do; what it would leave undone is told as well."""
        if desired.hold:
            return [Step("hold", "everything", str(p)) for p in desired.problems], kube.Plan()
        plan = self._beacon.plan(desired, live)
        told = (change for change in plan.changes if change.verb is not kube.Verb.UNCHANGED)
        steps = [Step(str(change.verb), str(change.ref), change.reason) for change in told]
        for patch in kube.label_changes(self._beacon.client, desired.labels):
            what, _, labels = kube.describe(patch).removeprefix("label ").partition(": ")
            steps.append(Step("label", what, labels))
        return steps, plan

    def _members(self) -> frozenset[str]:
        return frozenset(r.app.name for r in self._beacon.active_relations(self._endpoint))

    def _read(self) -> tuple[istiod.Istiod, evaluator.Snapshot]:
        client = self._beacon.client
        found = istiod.find(client)
        auto = found.auto_allow
        return found, mesh_snapshot.read(client, found.root_namespace, auto_allow=auto)


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that a reconcile would do, or leave undone, and why."""

    verb: str
    object: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verb}: {self.object}" + (f" ({self.reason})" if self.reason else "")


def _straight(
    judge: evaluator.Evaluator,
    request: evaluator.Request,
    target: applications.Destination,
    verdict: evaluator.Verdict,
) -> evaluator.Verdict | None:
    """Return what becomes of the same request when it is sent to a pod's own address."""
    if target.pods is None or request.target == target.pods:
        return None
    ports = [hop.port for hop in verdict.hops if hop.proxy is evaluator.Proxy.ZTUNNEL]
    port = ports[0] if ports else None
    return judge.evaluate(dataclasses.replace(request, target=target.pods, port=port))


def _whole(text: str) -> str:
    """Return what is of no use in part.

    Raises:
        ParameterError: it is longer than a result may be.
    """
    if len(text) > action_output.MAX_RESULT:
        raise ParameterError("the answer is too long: give port, method, path and host as well")
    return text


def _as_json(entries: Sequence[Any]) -> str:
    return action_output.as_json([dataclasses.asdict(entry) for entry in entries])


def _text(params: Params, name: str) -> str:
    return str(params.get(name) or "").strip()


def _required(params: Params, name: str) -> str:
    text = _text(params, name)
    if not text:
        raise ParameterError(f"{name} is missing: name an application, {name}=<application>")
    return text


def _choice(params: Params, name: str, choices: tuple[str, ...]) -> str:
    chosen = _text(params, name) or choices[0]
    if chosen not in choices:
        raise ParameterError(f"{name}: use one of {', '.join(choices)}")
    return chosen


def _port(params: Params) -> int | None:
    port = params.get("port")
    if port is None or (isinstance(port, int) and 0 < port <= _MAX_PORT):
        return port
    raise ParameterError(f"port: use a number from 1 to {_MAX_PORT}")


def _path(params: Params) -> str | None:
    path = _text(params, "path")
    if path and not path.startswith("/"):
        raise ParameterError("path: begin it with /")
    return path or None
