# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The reconciling charm: every event gathers facts, builds, applies, publishes and reports."""

import contextlib
import datetime
import functools
import logging
from collections.abc import Collection, Generator, Iterable, Iterator
from typing import Any, TypeVar

import msgspec
import ops

from istio_ambient import kube, resources
from istio_ambient.charm import (
    _hook_tools,
    _removal,
    observability,
    outward,
    owners,
    status,
)
from istio_ambient.charm._definition import CharmDefinition, F
from istio_ambient.charm._details import StatusDetails
from istio_ambient.charm.relations import Relations
from istio_ambient.kube import Desired
from istio_ambient.values import problems, text
from istio_ambient.values.config import CharmConfig
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

logger = logging.getLogger(__name__)

NO_OPTIONS = "Juju refuses config-get: run the action again"
"""The failure of an action that needs the options of the application."""

C = TypeVar("C")


class ReconcilingCharm(CharmDefinition[F]):
    """Runs the same reconcile on every event; a subclass defines its facts and desired objects.

    The leader writes, and every unit sets its status. In `remove`, the unit that sees no planned
    unit deletes everything that the application applied.
    """

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        outward.set_up_logs()
        pod = self.unit.name.replace("/", "-")
        self.identity = msgspec.structs.replace(
            resources.identity(self.model.name, self.app.name, self.ADOPTED_SCOPES, self.ACCESS),
            token_hint=f"kubectl -n {self.model.name} delete pod {pod}",
        )
        self.findings = status.Findings()
        self._reconciled = False
        self.renews = False
        """Whether this event reads again what is read seldom: update-status, action reconcile."""
        self.unlabelled = set[kube.ResourceType]()
        """Kinds of objects whose labels could not be written in this hook."""
        self._client: kube.Client | None = None
        self.relations = Relations(self)
        _hook_tools.survive_refusals(self.model, self.relations)
        self._details = StatusDetails(self)
        for event in self._reconciled_events():
            framework.observe(event, self._on_event)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        for name in self.meta.actions.keys() - {status.DETAILS}:
            handler = self._on_reconcile_action if name == "reconcile" else self.answer
            framework.observe(self.on[name].action, handler)

    # Methods that a charm may use.

    def load_config(self, cls: type[C], *args: Any, **kwargs: Any) -> C:
        """Return the options; the remedies of their problems have the application's own name."""
        options = super().load_config(cls, *args, **kwargs)
        if isinstance(options, CharmConfig):
            options.name_application(self.app.name)
        return options

    @property
    def client(self) -> kube.Client:
        """The API client of this hook."""
        if self._client is None:
            self._client = kube.connect()
        return self._client

    @property
    def telemetry_label(self) -> dict[str, str]:
        """The label of the pods whose metrics the charm's metrics-proxy collects."""
        return observability.telemetry_label(self.model.name, self.app.name)

    @property
    def replicas(self) -> int:
        """The number of replicas of the workload: one for each planned unit, at least one."""
        planned = self.relations.planned_units()
        return max(1, self.relations.units() if planned is None else planned)

    @functools.cached_property
    def has_options(self) -> bool:
        """Whether Juju answers with the options of the application in this hook."""
        with self.relations.tolerating("config-get"):
            dict(self.config)
            return True
        return False

    @property
    def is_first(self) -> bool:
        """Whether this is unit 0: the last that goes, and only with the application.

        Juju runs an application as a StatefulSet, whose pods Kubernetes removes in descending
        order: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/.
        """
        return self.unit.name.endswith("/0")

    def image_of(self, what: str) -> str:
        """Return the image of what `readiness` reported in this hook, by its name; else empty."""
        return next((each.image for each in self.findings.readiness if each.what == what), "")

    def is_ready(self, what: str) -> bool:
        """Return whether `readiness` reported something as ready in this hook, by its name."""
        return any(each.what == what and each.ready for each in self.findings.readiness)

    # The reconcile.

    def _reconciled_events(self) -> Iterator[ops.BoundEvent]:
        skipped = (ops.CollectStatusEvent, ops.ActionEvent, ops.RemoveEvent, ops.LifecycleEvent)
        for event in self.on.events().values():
            if not issubclass(event.event_type, skipped):
                yield event

    def _on_event(self, event: ops.EventBase) -> None:
        self.renews = isinstance(event, ops.UpdateStatusEvent)
        self.reconcile()

    def reconcile(self) -> kube.Plan:
        """Gather, build, plan, apply, publish, and keep the findings for the status.

        Returns:
            The plan of this hook; an empty one where the cluster cannot be read.
        """
        self.findings = status.Findings()
        self._reconciled = True
        plan = kube.Plan()
        try:
            if self._begin():
                plan = self._reconcile()
        except kube.RequestError as error:
            self._add_fault(error)
        with self._surviving_pebble():
            observability.retry(self._container, status.awaited(self._all_findings))
        return plan

    def look(self, optional: Collection[kube.ResourceType] = ()) -> tuple[kube.Live, F]:
        """Return the application's live objects, and the facts of this hook; nothing is written.

        Args:
            optional: kinds that need not be read.

        Raises:
            kube.RequestError: the cluster cannot be read.
        """
        live = kube.read_live(self.client, self.identity, self.MANAGED)
        for kind, error in live.unread.items():
            if kind not in self.APART and kind not in optional:
                raise error
        return live, self.gather(self.client, live)

    def plan(self, desired: Desired, live: kube.Live) -> kube.Plan:
        """Return the plan that a reconcile applies for these desired objects.

        Raises:
            kube.RequestError: the cluster cannot be read.
        """
        plan = kube.plan_of(desired, live)
        created = kube.creations(plan)
        if created:
            taken = kube.read_taken(self.client, created)
            for kind, error in taken.unread.items():
                if kind not in live.unread:
                    self._add_fault(error)
            live = msgspec.structs.replace(live, unread={**live.unread, **taken.unread})
            gone = owners.abandoned(self.client, self.identity, taken.objects.values())
            plan = kube.plan_of(desired, live, taken.objects, gone)
        return kube.withheld(plan, live)

    def _begin(self) -> bool:
        """Publish what needs no cluster; return whether the cluster is to be reconciled."""
        if not self.has_options:
            # Nothing can be decided: cluster, databags and workload stay as they are.
            return False
        observability.publish(self, self.relations)
        layer = observability.metrics_proxy_layer(self.telemetry_label, self.checks())
        with self._surviving_pebble():
            observability.run_metrics_proxy(self._container, layer)
        # While the application is being removed, nothing is: `remove` deletes everything.
        self._reconciled = self.relations.planned_units() != 0
        return self._reconciled

    def _reconcile(self) -> kube.Plan:
        live, facts = self.look(self.SEPARABLE)
        for error in live.unread.values():
            self._add_fault(error)
        if not self.APART.issuperset(live.unread):
            return self._reconcile_part(facts, live)
        watched = self.watched(facts) if self.unit.is_leader() else ()
        with self._surviving_pebble():
            observability.watch(self._container, watched)
        self.announce(facts)
        desired = self._desired(facts)
        plan = kube.Plan()
        # Without the relations of an endpoint, what they restrict would be open.
        unlisted = self.relations.unlisted
        writes = self.unit.is_leader() and not (desired.hold or unlisted)
        if writes:
            plan, live = self._write(desired, live)
            unguarded = kube.missing(plan, live, self.findings.failed.values())
            if self.findings.written or unguarded:
                renewed = self.in_force(self.client, facts, live, unguarded)
                facts, plan, live = self._write_more(renewed, facts, plan, live)
            # Before the databag says so: consumers remove their own labels then.
            self._label(patch for patch in desired.labels if not patch.pod_template)
            self.publish(facts, live)
            late = self.late_facts(self.client, facts)
            facts, plan, live = self._write_more(late or facts, facts, plan, live)
        elif self.unit.is_leader() and not desired.hold and self.relations.stays_unlisted:
            plan = self._narrow(desired, live, f"all relations of {', '.join(sorted(unlisted))}")
        self.findings.readiness.extend(self.readiness(self.client, facts, live))
        version = self.version(facts)
        if version:
            with self.relations.tolerating("application-version-set"):
                self.unit.set_workload_version(version)
        wrote = bool(self.findings.written)
        for found in self.acceptance(self.client, facts, live, wrote=wrote):
            if isinstance(found, Problem):
                self.findings.problems.append(found)
            else:
                self.findings.readiness.append(found)
        if writes:
            # Last: it may restart the pod that this process runs in.
            self._label(patch for patch in desired.labels if patch.pod_template)
        return plan

    def _reconcile_part(self, facts: F, live: kube.Live) -> kube.Plan:
        """Write what takes access away; the rest depends on objects that cannot be read."""
        desired = self._desired(facts)
        if not self.unit.is_leader() or desired.hold or self.relations.unlisted:
            return kube.Plan()
        return self._write(desired, live)[0]

    def _narrow(self, desired: Desired, live: kube.Live, unknown: str) -> kube.Plan:
        """Write what takes access away; the rest depends on relations that are not known."""
        kinds = {kube.kind_of(kind) for kind in self.SEPARABLE}
        reason = f"waits for {unknown}"
        held = {ref: reason for ref in live.objects if ref.kind in kinds}
        desired = msgspec.structs.replace(desired, held={**desired.held, **held})
        return self._write(desired, msgspec.structs.replace(live, unknown=unknown))[0]

    def _desired(self, facts: F) -> Desired:
        desired = self.desired(facts)
        self.findings.problems = problems.bounded(desired.problems)
        self.findings.warnings = [*desired.warnings]
        self.findings.message = desired.message
        return desired

    def _write(self, desired: Desired, live: kube.Live) -> tuple[kube.Plan, kube.Live]:
        plan = self.plan(desired, live)
        return plan, self._apply(plan, live)

    def _write_more(
        self, renewed: F, facts: F, plan: kube.Plan, live: kube.Live
    ) -> tuple[F, kube.Plan, kube.Live]:
        """Write what renewed facts add; what has failed is not tried again."""
        if renewed is facts:
            return facts, plan, live
        more, live = self._write(self._desired(renewed), live)
        return renewed, kube.Plan((*plan.writes, *more.changes)), live

    @property
    def _container(self) -> ops.Container:
        return self.unit.get_container(observability.CONTAINER)

    @contextlib.contextmanager
    def _surviving_pebble(self) -> Generator[None]:
        """Turn what Pebble refuses inside into a finding: nothing in the cluster waits for it."""
        try:
            yield
        except ops.pebble.Error as error:
            reason = text.printable(str(error).partition("\n")[0])
            code = Code.PEBBLE_REFUSES
            found = kube.Readiness(observability.CONTAINER, ready=False, reason=reason, code=code)
            self.findings.readiness.append(found)

    def _add_fault(self, error: kube.RequestError) -> None:
        self.findings.faults.append(kube.fault_of(error, self.identity))

    def _label(self, patches: Iterable[kube.LabelPatch]) -> None:
        done = kube.apply_labels(self.client, tuple(patches), self.identity.field_manager)
        for patch in done.changed:
            logger.info("%s", kube.describe(patch))
        for _, error in done.failed:
            self._add_fault(error)
        for patch, path in done.altered:
            self.findings.faults.append(kube.changed_on_write(patch.ref, path))
        self.unlabelled |= {patch.kind for patch, _ in (*done.failed, *done.altered)}

    def _apply(self, plan: kube.Plan, live: kube.Live) -> kube.Live:
        findings = self.findings
        applied = kube.apply(self.client, plan, self.identity, findings.failed)
        findings.faults.extend(applied.faults)
        findings.failed.update(applied.failed)
        refused = plan.of(kube.Verb.REFUSED)
        # The second plan of a hook takes the place of the first, but for what was done or failed.
        findings.refused = [change for change in refused if not self.tolerates(change)]
        findings.deferred = [*plan.of(kube.Verb.DEFERRED)]
        findings.deferred_since = self.deferred_since(live) if findings.deferred else None
        findings.deferred_remedy = self.DEFERRED_REMEDY
        findings.held = [*plan.of(kube.Verb.HELD), *applied.held]
        findings.written += applied.done
        findings.repaired += [change for change in applied.done if change.repairs]
        return applied.live(live)

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        planned = self.relations.planned_units()
        if planned is None and not self.is_first:
            text = "if the application is being removed, unit 0 deletes them; else, by hand"
            logger.warning("objects stay, since Juju refuses goal-state: %s", text)
            _removal.tell_command(self.identity, self.MANAGED)
        if planned or (planned is None and not self.is_first):
            return
        try:
            # Nothing comes after it: an API server that restarts is waited for.
            client = kube.connect(silence_seconds=kube.HOOK_SECONDS)
        except kube.RequestError as error:
            # A failed hook would keep the application from being removed at all.
            logger.error("objects labelled %s are left behind: %s", self.identity.labels, error)
            return
        _removal.remove(client, self.identity, self.MANAGED, self.cleanup)

    def _on_reconcile_action(self, event: ops.ActionEvent) -> None:
        if not self.has_options:
            outward.fail(event, NO_OPTIONS)
            return
        self.renews = True
        plan = self.reconcile()
        found, reported = self._status()
        for each in found[: status.MAX_LOGGED]:
            event.log(str(each))
        if not self.unit.is_leader():
            # "No change" would be untrue: a unit that is not the leader plans nothing.
            outward.fail(event, self.leader_only("reconcile"))
            return
        outward.set_results(
            event,
            {
                "changed": len(plan.writes),
                "plan": str(plan),
                "status": f"{reported.name}: {reported.message}".removesuffix(": "),
            },
        )

    def leader_only(self, action: str) -> str:
        """Return the failure of an action that writes, for a unit that is not the leader."""
        return f"only the leader writes to the cluster: juju run {self.app.name}/leader {action}"

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        if not self._reconciled:
            # An action that reads, or the removal: nothing was found, and nothing is better.
            return
        found, shown = self._status()
        for each in found[: status.MAX_LOGGED]:
            logger.warning("%s", each)
        self._details.keep(shown, found, datetime.datetime.now(datetime.UTC))
        event.add_status(shown)

    def _status(self) -> tuple[list[status.Reported], ops.StatusBase]:
        """Return what the findings report, and the unit status that is made of it."""
        findings = self._all_findings
        found = status.reported(findings, self._ready_timeout)
        return found, status.shown(found, findings)

    @property
    def _all_findings(self) -> status.Findings:
        """The findings of the reconcile, and what Juju refused in this hook."""
        found, refused = self.findings, status.pending(self.relations.refused)
        return msgspec.structs.replace(
            found,
            problems=[*found.problems, *self.relations.problems],
            readiness=[*found.readiness, *refused],
        )

    @property
    def _ready_timeout(self) -> float:
        options = self.load_config(status.Config) if self.has_options else status.Config()
        return options.ready_timeout
