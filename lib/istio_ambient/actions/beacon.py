# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of istio-beacon-k8s about access, which only read."""

import dataclasses
import datetime
import json

import msgspec

from istio_ambient import beacon, charm, gateways, kube
from istio_ambient.actions import _denials, _page, _policies, _questions, _reading
from istio_ambient.authorization import evaluator
from istio_ambient.charm import parameters
from istio_ambient.cluster import istiod, proxy_logs
from istio_ambient.explain import (
    access_changes,
    access_list,
    access_page,
    applications,
    explanation,
    judgements,
    names,
    origins,
    outcomes,
    remedies,
)
from istio_ambient.kube import Desired
from istio_ambient.values import tables

_CONTROL_PLANE = "istio-k8s"
"""Application whose hardened mode is previewed where istiod has no owner annotation."""
_HTML, _PAGE = "html", "who-may-reach-whom.html"


class MeshActions(_reading.ReadingActions[beacon.Facts]):
    """Answers `explain`, `preview`, and the lists: access, denials, policies, requests.

    Args:
        of: the charm, which declares these actions.
        endpoint: of the relations that have access requests.
    """

    EXPECTED = (
        access_list.TooLargeError,
        access_page.NotBuiltError,
        names.UnknownNameError,
        evaluator.UnknownDestinationError,
    )

    def __init__(self, of: charm.ReconcilingCharm[beacon.Facts], endpoint: str):
        super().__init__(
            of,
            {
                "explain": self._explain,
                "list-access": self._list_access,
                "list-denials": self._list_denials,
                "list-policies": self._list_policies,
                "list-requests": self._list_requests,
                "preview": self._preview,
            },
        )
        self._endpoint = endpoint

    def _explain(self, params: parameters.Params) -> _reading.Results:
        if parameters.text_of(params, "log"):
            return _denials.explain_line(params, *self._judge())
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        asked = _questions.question(params)
        explained = self._explained(asked)
        verdict = explained.decision
        results = {"verdict": str(verdict), "decided-by": explained.where or "no proxy"}
        if form == parameters.JSON:
            data = _reading.whole(tables.as_json(explanation.data(explained)))
            return {**results, parameters.JSON: data}
        text, _ = tables.fitting(explanation.text(explained).split("\n"), "\n".join)
        return {**results, "explanation": text}

    def _explained(self, asked: _questions.Question) -> explanation.Explanation:
        """Return the explanation of one request, from the facts and the cluster of now."""
        model = self.charm.model.name
        control_plane, snapshot = self.read()
        _, facts = self.charm.look()
        evaluation = evaluator.Evaluator(snapshot)
        topology = evaluation.topology
        source = applications.source(topology, asked.source, model)
        named = applications.destination(topology, asked.target, model)
        known = origins.ports_requested(facts, named)
        destination = applications.at_port(topology, named, asked.port, known)
        request = evaluator.Request(
            source=source.identity,
            destination=destination.address,
            port=asked.port,
            method=asked.method,
            path=asked.path,
            host=asked.host,
        )
        verdict = evaluation.evaluate(request)
        case = remedies.Case(
            facts=facts,
            members=self._members(),
            control_plane=control_plane.owner,
            root_namespace=control_plane.root_namespace,
            trust_domain=control_plane.mesh.trust_domain,
            source=source,
            destination=destination,
            verdict=verdict,
            request=request,
            beacons=applications.beacons(snapshot),
        )
        straight = _straight(evaluation, request, destination, verdict)
        return explanation.Explanation(case=case, snapshot=snapshot, straight=straight)

    def _list_access(self, params: parameters.Params) -> _reading.Results:
        model = self.charm.model.name
        form = parameters.choice(params, "format", (*access_list.FORMS, _HTML))
        control_plane, snapshot = self.read()
        title = f"Who may reach whom, {model}"
        app = parameters.text_of(params, "app")
        if app:
            topology = evaluator.Topology(snapshot)
            model, app = applications.split(topology, app, model)
            applications.check(topology, model, app)
        if form == _HTML:
            return self._page(control_plane, snapshot, model, app)
        forms = access_list.forms(title, hardened=access_list.is_hardened(snapshot))
        found = access_list.access_list(snapshot, model, app)
        nodes = access_list.about_nodes(found)
        return {
            **tables.fitted(form, found.entries, forms[form]),
            "not-weighed": "; ".join(found.not_weighed),
            **({"from-nodes": nodes} if nodes else {}),
        }

    def _page(
        self, control_plane: istiod.Istiod, snapshot: evaluator.Snapshot, model: str, app: str
    ) -> _reading.Results:
        """Write the page of who may reach whom, with and without hardened mode."""
        owner, hardened = _owner(control_plane), access_list.is_hardened(snapshot)
        by_mode = {
            on: access_list.access_list(
                access_changes.with_hardened_mode(snapshot, owner, on=on), model, app
            )
            for on in (True, False)
        }
        now = datetime.datetime.now(datetime.UTC)
        page = access_page.html(
            access_page.Map(
                model=model,
                scope=f"application {model}/{app}" if app else f"model {model}",
                made=f"{now:%Y-%m-%d %H:%M} UTC",
                hardened=hardened,
                entries_by_mode={on: found.entries for on, found in by_mode.items()},
                not_weighed=by_mode[True].not_weighed,
                about_nodes=access_list.about_nodes(by_mode[hardened]),
            )
        )
        return _page.write(self.charm, _PAGE, page)

    def _list_denials(self, params: parameters.Params) -> _reading.Results:
        judge, topology = self._judge()
        waypoint = gateways.waypoint_name(self.charm.model.name, self.charm.app.name)
        model = self.charm.model.name
        proxies = proxy_logs.proxies(topology.snapshot, model, waypoint, ztunnel=True)
        return _denials.list_denials(self.charm.client, params, proxies, judge, topology, model)

    def _judge(self) -> tuple[judgements.MeshJudge, evaluator.Topology]:
        """Return what judges recorded requests by the policies of now, and the cluster."""
        control_plane, snapshot = self.read()
        _, facts = self.charm.look()
        evaluation = evaluator.Evaluator(snapshot)
        members = self._members()
        judge = judgements.MeshJudge(evaluation, facts, members, control_plane.owner)
        return judge, evaluation.topology

    def _list_policies(self, params: parameters.Params) -> _reading.Results:
        name = gateways.waypoint_name(self.charm.model.name, self.charm.app.name)
        return _policies.list_policies(self.charm, params, {name: name})

    def _list_requests(self, params: parameters.Params) -> _reading.Results:
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        _, facts = self.charm.look()
        found = outcomes.outcomes(facts)
        app = parameters.text_of(params, "app")
        if app:
            known = self._members() | {each.application for each in found}
            if app not in known:
                names = ", ".join(sorted(known)) or "none"
                message = f"app: {app} is not integrated; integrated applications: {names}"
                raise parameters.ParameterError(message)
            found = [each for each in found if each.application == app]
        render = outcomes.text if form == parameters.TABLE else outcomes.as_json
        counts = {
            str(outcome).replace(" ", "-"): sum(each.outcome is outcome for each in found)
            for outcome in outcomes.Outcome
        }
        occurring = {outcome: count for outcome, count in counts.items() if count}
        return {**tables.fitted(form, found, render), **occurring}

    def _preview(self, params: parameters.Params) -> _reading.Results:
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        live, facts = self.charm.look()
        facts = _assuming(facts, params)
        steps, plan = self._steps(self.charm.desired(facts), live)
        control_plane, before = self.read()
        after = access_changes.after_plan(before, plan)
        hardened = params.get("hardened-mode")
        if hardened is not None:
            owner = _owner(control_plane)
            after = access_changes.with_hardened_mode(after, owner, on=bool(hardened))
        reach = evaluator.Reach(after)
        changes = access_changes.changes(evaluator.Reach(before), reach)
        not_weighed = {"not-weighed": "; ".join(reach.not_weighed)}
        if form == parameters.JSON:
            return {
                **tables.fitted("plan", steps, _reading.as_json),
                **tables.fitted("access", changes, access_changes.as_json),
                **not_weighed,
            }
        return {
            **tables.fitted("plan", [str(step) for step in steps] or ["no change"], "\n".join),
            **tables.fitted("access", changes, access_changes.table),
            **not_weighed,
        }

    def _steps(self, desired: Desired, live: kube.Live) -> tuple[list["Step"], kube.Plan]:
        """Return the steps of a plan, those that are held or refused too, and the plan itself."""
        if desired.hold:
            return [Step("hold", "everything", str(p)) for p in desired.problems], kube.Plan()
        plan = self.charm.plan(desired, live)
        shown = (change for change in plan.changes if change.verb is not kube.Verb.UNCHANGED)
        steps = [Step(str(change.verb), str(change.ref), change.reason) for change in shown]
        for patch in kube.label_changes(self.charm.client, desired.labels):
            what, _, labels = kube.describe(patch).removeprefix("label ").partition(": ")
            steps.append(Step("label", what, labels))
        return steps, plan

    def _members(self) -> frozenset[str]:
        return frozenset(r.app.name for r in self.charm.relations.of(self._endpoint))


class Step(msgspec.Struct, frozen=True):
    """One change that a reconcile would make or leave out; the members are keys of the JSON."""

    verb: str
    object: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verb}: {self.object}" + (f" ({self.reason})" if self.reason else "")


def _assuming(facts: beacon.Facts, params: parameters.Params) -> beacon.Facts:
    """Return facts with the values of options that are assumed.

    Raises:
        ParameterError: an entry of `extra-access` cannot be used.
    """
    chosen: dict[str, object] = {}
    managed = params.get("manage-authorization-policies")
    if managed is not None:
        chosen["manage_authorization_policies"] = bool(managed)
    extra = params.get("extra-access")
    if extra is not None:
        assumed = beacon.Config.model_validate({"extra_access": json.dumps(extra)})
        if assumed.problems:
            raise parameters.ParameterError("; ".join(map(str, assumed.problems)))
        chosen["extra_access"] = assumed.extra_access
    return msgspec.structs.replace(facts, config=facts.config.model_copy(update=chosen))


def _owner(control_plane: istiod.Istiod) -> str:
    """Return the `<model>/<application>` whose hardened mode is previewed."""
    return control_plane.owner or f"{control_plane.root_namespace}/{_CONTROL_PLANE}"


def _straight(
    evaluation: evaluator.Evaluator,
    request: evaluator.Request,
    destination: applications.NamedDestination,
    verdict: evaluator.Verdict,
) -> evaluator.Verdict | None:
    """Return the verdict on the same request to a pod's own address."""
    if destination.pods is None or request.destination == destination.pods:
        return None
    ports = [hop.port for hop in verdict.hops if hop.proxy is evaluator.Proxy.ZTUNNEL]
    port = ports[0] if ports else None
    direct = dataclasses.replace(request, destination=destination.pods, port=port)
    return evaluation.evaluate(direct)
