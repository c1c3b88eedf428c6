# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a charm defines of its hook: facts, desired objects, databags, readiness, acceptance."""

import abc
import datetime
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

import ops

from istio_ambient import kube
from istio_ambient.kube import Desired
from istio_ambient.values.problems import Problem

F = TypeVar("F")
"""The facts of one charm: a frozen struct of config, databags and cluster reads."""


class CharmDefinition(ops.CharmBase, abc.ABC, Generic[F]):
    """The methods that a charm defines, in the order in which a hook calls most of them."""

    MANAGED: ClassVar[tuple[kube.ResourceType, ...]]
    """Kinds that the charm lists, applies and prunes; all kinds of its desired objects."""
    APART: ClassVar[frozenset[kube.ResourceType]] = frozenset()
    """Those of the kinds whose live objects no fact, databag or readiness follows from. While one
    cannot be read, its objects stay and the rest goes on. Without any other kind, an object that
    is there would be taken for one that is not, so the hook ends with that fault."""
    SEPARABLE: ClassVar[frozenset[kube.ResourceType]] = frozenset()
    """Those from which databags, labels and readiness follow, but no fact. While one cannot be
    read, the other objects are written as far as that takes access away; all else stays."""
    ADOPTED_SCOPES: ClassVar[frozenset[str]] = frozenset()
    """Scopes of the public charm of the same name, whose objects are adopted."""
    ACCESS: ClassVar[kube.Access] = kube.NO_ACCESS
    """The order in which objects that decide about access are written."""
    DEFERRED_REMEDY: ClassVar[str] = "deploy istio-k8s, or refresh it"
    """What to do where the cluster does not serve a kind; empty: to wait for the next hook."""

    @abc.abstractmethod
    def gather(self, client: kube.Client, live: kube.Live) -> F:
        """Return the facts: config, databags, and a bounded number of reads of the cluster.

        Args:
            client: for reads only.
            live: the application's objects of the managed kinds.

        Raises:
            kube.RequestError: the cluster cannot be read; the reconcile ends with this fault.
        """

    @abc.abstractmethod
    def desired(self, facts: F) -> Desired:
        """Return everything that should exist, from the facts alone."""

    def announce(self, facts: F) -> None:  # optional, as publish
        """Write the unit's own databags; called on every unit, before writes to the cluster."""

    def publish(self, facts: F, live: kube.Live) -> None:  # optional
        """Write the application's databags; called on the leader, after the cluster is written to.

        Args:
            facts: of this hook.
            live: the application's objects after this hook's writes.
        """

    def late_facts(self, client: kube.Client, facts: F) -> F | None:
        """Return the facts again, with what takes long to read; None: they stay as they are.

        Called on the leader after everything is applied and published, so that a server that is
        slow delays nothing but itself. Objects that follow differently are then applied.

        Args:
            client: for reads only.
            facts: of this hook.

        Raises:
            kube.RequestError: the cluster cannot be read; the reconcile ends with this fault.
        """
        return None

    def readiness(
        self, client: kube.Client, facts: F, live: kube.Live
    ) -> Iterable[kube.Readiness]:
        """Return what has to be ready for an active status; the order is that of the status."""
        return ()

    def version(self, facts: F) -> str:
        """Return the version of the workload, once its readiness is known; empty: unknown."""
        return ""

    def acceptance(
        self, client: kube.Client, facts: F, live: kube.Live, *, wrote: bool
    ) -> Iterable[kube.Readiness | Problem]:
        """Return what was written and is not in force, as far as those who read it report.

        Called last of what the status is made of, on every unit.

        Args:
            client: for reads; what it writes takes back what this application wrote before.
            facts: of this hook.
            live: the application's objects after this hook's writes.
            wrote: whether this hook changed an object: only then is an answer waited for.
        """
        return ()

    def checks(self) -> dict[str, ops.pebble.CheckDict]:
        """Return Pebble checks of the workload, by name; the metrics-proxy container runs them."""
        return {}

    def watched(self, facts: F) -> Sequence[tuple[str, int]]:
        """Return host and port of what is waited for and sends this application no event.

        The metrics-proxy container of the leader tries to connect; a hook runs when it can.
        """
        return ()

    def tolerates(self, change: kube.Change) -> bool:
        """Return whether an object of another owner can stand in for the desired one.

        Args:
            change: a refused change; `existing` is the other object.
        """
        return False

    def in_force(
        self, client: kube.Client, facts: F, live: kube.Live, unguarded: frozenset[str]
    ) -> F:
        """Return the facts after a hook's writes, where more may be written because of these.

        What gives access waits until what it depends on is in force. Called where a hook wrote
        something, or could not; with the same value nothing else is written.

        Args:
            client: for reads only.
            facts: of this hook.
            live: the application's objects after the writes.
            unguarded: guards of the desired objects that could not be put in force, as text.

        Raises:
            kube.RequestError: the cluster cannot be read.
        """
        return facts

    def deferred_since(self, live: kube.Live) -> datetime.datetime | None:
        """Return since when a kind that the cluster does not serve is waited for at most.

        That is the time of our oldest object: nothing has to be stored.

        Args:
            live: the application's objects before the writes.
        """
        return live.since

    def answer(self, event: ops.ActionEvent) -> None:  # optional
        """Answer an action that not every charm has.

        A charm imports its module of `istio_ambient.actions` in here, and nowhere else: what only
        actions need takes longer to import than all that a hook needs.
        """

    def cleanup(self, client: kube.Client) -> Iterable[kube.RequestError]:
        """Delete what controllers made for the application, and return what failed.

        Called after its own objects are deleted.
        """
        return ()
