# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The reconciling charm: every event gathers facts, builds, applies, publishes and reports."""

import abc
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Generic, TypeVar

import httpx2
import lightkube
import ops

from istio_ambient import kube
from istio_ambient.charm import observability, status
from istio_ambient.kube import Desired

logger = logging.getLogger(__name__)

F = TypeVar("F")
"""The facts of one charm: a frozen dataclass of config, databags and cluster reads."""

DEFAULT_READY_TIMEOUT = 300


class ReconcilingCharm(ops.CharmBase, abc.ABC, Generic[F]):
    """Runs the same reconcile on every event; a charm says what its facts and objects are.

    Leaders write, every unit reports. In ``remove`` the unit that sees no other unit planned takes
    everything away.
    """

    MANAGED: ClassVar[tuple[kube.ResourceType, ...]]
    """Kinds that this charm lists, applies and prunes."""
    ADOPTED_SCOPES: ClassVar[frozenset[str]] = frozenset()
    """Scopes of the public charm of the same name, whose objects are taken over."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.identity = kube.Identity(self.model.name, self.app.name, self.ADOPTED_SCOPES)
        self.findings = status.Findings()
        self._client: kube.Client | None = None
        self.tracing = observability.trace_charm(self)
        for event in self._reconciled_events():
            framework.observe(event, self._on_event)
        framework.observe(self.on.remove, self._on_remove)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        if "reconcile" in self.meta.actions:
            framework.observe(self.on["reconcile"].action, self._on_reconcile_action)

    # What a charm says of itself.

    @abc.abstractmethod
    def gather(self, client: kube.Client, live: kube.Live) -> F:
        """Return the facts: config, databags, and a bounded number of cluster reads."""

    @abc.abstractmethod
    def desired(self, facts: F) -> Desired:
        """Return everything that should exist: pure."""

    def announce(self, facts: F) -> None:  # as publish
        """Write the unit's own databags; called on every unit."""

    def publish(self, facts: F, live: kube.Live) -> None:  # most charms override it
        """Write databags; called on the leader, after the cluster has been written to."""

    def readiness(
        self, client: kube.Client, facts: F, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return what has to be ready for the charm to be active."""
        return ()

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Return Pebble checks of what can be watched from the metrics-proxy container."""
        return {}

    def tolerates(self, change: kube.Change) -> bool:
        """Return whether somebody else's object of a wanted name serves as well as ours."""
        return False

    def withhold(self, plan: kube.Plan) -> kube.Plan:
        """Return what of a plan may be carried out, where not all of it may."""
        return plan

    def cleanup(self, client: kube.Client) -> None:  # as publish
        """Remove what others made on our behalf; called after everything of ours is deleted."""

    # What charms may use.

    @property
    def client(self) -> kube.Client:
        """The API client of this hook."""
        if self._client is None:
            self._client = kube.connect()
        return self._client

    @property
    def telemetry_label(self) -> dict[str, str]:
        """The label of the pods whose metrics this charm serves."""
        return observability.telemetry_label(self.model.name, self.app.name)

    @property
    def replicas(self) -> int:
        """How many replicas the workload gets: as many as the charm has units, at least one."""
        return max(1, self.app.planned_units())

    def active_relations(self, endpoint: str) -> list[ops.Relation]:
        """Return the relations of an endpoint that are not going away, by id."""
        relations = (r for r in self.model.relations[endpoint] if r.active and r.app)
        return sorted(relations, key=lambda relation: relation.id)

    def write_databag(
        self, databag: ops.RelationDataContent, content: Mapping[str, str], keys: Iterable[str]
    ) -> None:
        """Make a databag of ours hold `content`, and none of the other `keys`, which are ours."""
        databag.update(content)
        for key in keys:
            if key in databag and key not in content:
                del databag[key]

    def remote_databag(self, relation: ops.Relation) -> dict[str, str]:
        """Return the remote application's databag."""
        return dict(relation.data[relation.app])

    # The one reconcile.

    def _reconciled_events(self) -> Iterator[ops.BoundEvent]:
        skipped = (ops.CollectStatusEvent, ops.ActionEvent, ops.RemoveEvent, ops.LifecycleEvent)
        for event in self.on.events().values():
            if not issubclass(event.event_type, skipped):
                yield event

    def _on_event(self, _: ops.EventBase) -> None:
        self.reconcile()

    def reconcile(self) -> kube.Plan:
        """Make the cluster and the databags what the facts ask for; return what was planned."""
        self.findings = status.Findings()
        observability.publish(self)
        observability.run_metrics_proxy(
            self.unit.get_container(observability.CONTAINER),
            observability.metrics_proxy_layer(self.telemetry_label, self.checks()),
        )
        if self.app.planned_units() == 0:
            # Going away: what is ours is deleted in `remove`, whole, and not built up again.
            return kube.Plan()
        try:
            return self._reconcile()
        except httpx2.HTTPError as error:
            fault = kube.fault_of(error, "reading the cluster", self.app.name)
        except lightkube.ConfigError as error:
            fault = kube.Fault(f"no cluster to talk to: {error}", transient=False)
        self.findings.faults.append(fault)
        return kube.Plan()

    def look(self) -> tuple[kube.Live, F]:
        """Return what is live of ours, and the facts of this hook: nothing is written.

        Raises:
            httpx2.HTTPError: the cluster cannot be read.
            lightkube.ConfigError: there is no cluster to talk to.
        """
        live = kube.read_live(self.client, self.identity, self.MANAGED)
        return live, self.gather(self.client, live)

    def plan(self, desired: Desired, live: kube.Live) -> kube.Plan:
        """Return what a reconcile changes to get from what is live to what is desired.

        Raises:
            httpx2.HTTPError: the cluster cannot be read.
        """
        return self.withhold(self._plan(desired, live))

    def _reconcile(self) -> kube.Plan:
        live, facts = self.look()
        self.announce(facts)
        desired = self.desired(facts)
        self.findings.problems.extend(desired.problems)
        self.findings.message = desired.message
        plan = kube.Plan()
        writes = self.unit.is_leader() and not desired.hold
        if writes:
            plan = self.plan(desired, live)
            live = self._apply(plan, live)
            # Before others are told that they need no labels of their own.
            self._label(patch for patch in desired.labels if not patch.pod_template)
            self.publish(facts, live)
        self.findings.readiness.extend(self.readiness(self.client, facts, live))
        if writes:
            # Last of all: it may restart the pod that this runs in.
            self._label(patch for patch in desired.labels if patch.pod_template)
        return plan

    def _label(self, patches: Iterable[kube.LabelPatch]) -> None:
        for patch in kube.apply_labels(self.client, tuple(patches)):
            logger.info("%s", kube.describe(patch))

    def _plan(self, desired: Desired, live: kube.Live) -> kube.Plan:
        plan = kube.plan(desired.objects, live, held=desired.held)
        created = kube.creations(plan)
        if created:
            taken = kube.read_taken(self.client, created)
            plan = kube.plan(desired.objects, live, taken, desired.held)
        return plan

    def _apply(self, plan: kube.Plan, live: kube.Live) -> kube.Live:
        applied = kube.apply(self.client, plan, self.app.name)
        self.findings.faults.extend(applied.faults)
        refused = plan.of(kube.Verb.REFUSED)
        self.findings.refused.extend(change for change in refused if not self.tolerates(change))
        self.findings.deferred.extend(plan.of(kube.Verb.DEFERRED))
        self.findings.held.extend(plan.of(kube.Verb.HELD))
        return applied.live(live)

    def _on_remove(self, _: ops.RemoveEvent) -> None:
        if self.app.planned_units() > 0:
            return
        try:
            live = kube.read_live(self.client, self.identity, self.MANAGED)
            applied = kube.apply(self.client, kube.plan((), live), self.app.name)
            for fault in applied.faults:
                logger.error("left behind: %s", fault.text)
            kube.release(self.client, live)
            self.cleanup(self.client)
        except (httpx2.HTTPError, lightkube.ConfigError) as error:
            # Failing the hook would leave the application stuck in removal for good.
            logger.error("objects labelled %s are left behind: %s", self.identity.labels, error)

    def _on_reconcile_action(self, event: ops.ActionEvent) -> None:
        plan = self.reconcile()
        faults = (fault.text for fault in self.findings.faults)
        for text in (*faults, *map(str, self.findings.problems)):
            event.log(text)
        if not self.unit.is_leader():
            # "No change" would be untrue: a unit that may not write compares nothing.
            event.fail(self.leader_only("reconcile"))
            return
        found = self._status()
        event.set_results(
            {
                "changed": len(plan.writes),
                "plan": str(plan),
                "status": f"{found.name}: {found.message}".removesuffix(": "),
            }
        )

    def leader_only(self, action: str) -> str:
        """Return what an action answers on a unit that may not write to the cluster."""
        return f"only the leader writes to the cluster: juju run {self.app.name}/leader {action}"

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self._status())

    def _status(self) -> ops.StatusBase:
        timeout = self.config.get("ready-timeout", DEFAULT_READY_TIMEOUT)
        return status.status_of(self.findings, float(timeout))
