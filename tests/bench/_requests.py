# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""API requests of hooks for growing numbers of applications, on the real control plane."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import rich.box
import rich.console
import rich.table
from istio_ambient import kube

from tests import lab
from tests.lab import apps, beacon, conftest, juju
from tests.unit.whole_charm import running

RUNS = 3
INGRESS = "istio-ingress-k8s"

Relate = Callable[[beacon.Shop, int], None]


@dataclasses.dataclass(frozen=True)
class Figures:
    """Requests of the hook that handles a change, and of the next one without a change."""

    charm: str
    applications: int
    hooks: int
    """Until the charm is active, where it is deployed; else one."""
    first_reads: int
    first_writes: int
    next_reads: int
    next_writes: int
    seconds: float
    """Of the next one, as a multiple of a bare LIST of each kind that the charm applies."""


def istio(cluster: lab.Cluster) -> tuple[juju.Model, Figures]:
    """Install the control plane; return its model and figures."""
    model = juju.Model(cluster, "istio-system")
    model.deploy(conftest.CHARMS / "istio-k8s")
    unit = "istio-k8s/0"
    with model.requests(unit) as first:
        model.wait_active()
    return model, _figures(cluster, model, "istio-k8s", "istio-k8s", 0, first)


def consumers(shop: beacon.Shop, number: int) -> None:
    """Relate an application to the beacon."""
    shop.consumer(f"app-{number}", quiet=True)


def backends(shop: beacon.Shop, number: int) -> None:
    """Relate an application to the ingress."""
    name = f"app-{number}"
    shop.service(name)
    databag = {"model": shop.name, "name": name, "port": 80}
    encoded = {key: json.dumps(value) for key, value in databag.items()}
    shop.remote(f"{INGRESS}:ingress", name, encoded, quiet=True)


def grpc_routes(shop: beacon.Shop, number: int) -> None:
    """Relate an application that describes a gRPC route to the ingress."""
    name = f"app-{number}"
    shop.service(name)
    route = {
        "name": "calls",
        "listener": {"port": 9096, "protocol": "GRPC"},
        "matches": [{"method": {"service": f"bench.Service{number}"}}],
        "backends": [{"service": name, "port": 80}],
    }
    config = {"model": shop.name, "grpc_routes": [route]}
    databag = {"config": json.dumps(config)}
    shop.remote(f"{INGRESS}:istio-ingress-route", name, databag, quiet=True)


def with_certificate(model: juju.Model) -> None:
    """Give the ingress a certificate."""
    model.deploy(apps.CERTIFIER)
    model.integrate("certifier:certificates", f"{INGRESS}:certificates")
    model.wait_active()


@dataclasses.dataclass(frozen=True)
class Series:
    """A growing number of applications of one kind, related to one charm."""

    title: str
    charm: str
    relate: Relate
    prepare: Callable[[juju.Model], None] = lambda _: None


SERIES = (
    Series(beacon.APP, beacon.APP, consumers),
    Series(INGRESS, INGRESS, backends),
    Series(f"{INGRESS}, TLS", INGRESS, backends, with_certificate),
    Series(f"{INGRESS}, gRPC routes", INGRESS, grpc_routes),
)


def growing(
    cluster: lab.Cluster,
    controller: juju.Controller,
    name: str,
    series: Series,
    sizes: Sequence[int],
) -> Iterator[Figures]:
    """Relate a growing number of applications to a charm; yield the figures of each size."""
    model = juju.Model(cluster, name, controller=controller)
    unit = f"{series.charm}/0"
    model.deploy(conftest.CHARMS / series.charm)
    series.prepare(model)
    model.wait_active()
    shop, related = beacon.Shop(cluster, model), 0
    for size in sizes:
        for number in range(related, size):
            series.relate(shop, number)
        with model.requests(unit) as first:
            model.emit(unit, "update-status")
        yield _figures(cluster, model, series.charm, series.title, size, first)
        related = size
    model.destroy(force=True)


def _figures(
    cluster: lab.Cluster,
    model: juju.Model,
    charm: str,
    title: str,
    size: int,
    first: juju.Requests,
) -> Figures:
    unit = f"{charm}/0"
    with model.requests(unit) as again:
        model.emit(unit, "update-status")
    kinds: Sequence[kube.ResourceType] = cast(Any, running.charm_type(charm)).MANAGED

    def lists() -> None:
        for kind in kinds:
            kube.list_kind(cast(kube.Client, cluster.client), kind)

    hook = _fastest(lambda: model.emit(unit, "update-status"))
    ratio = hook / _fastest(lists)
    counts = (
        len(first.hooks),
        len(first.reads),
        len(first.writes),
        len(again.reads),
        len(again.writes),
    )
    return Figures(title, size, *counts, ratio)


def _fastest(action: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some runs."""
    taken: list[float] = []
    for _ in range(RUNS):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return min(taken)


def table(console: rich.console.Console, sizes: Sequence[int]) -> rich.table.Table:
    """Measure, and return the table.

    Args:
        console: for the progress.
        sizes: numbers of applications, growing.
    """
    made = rich.table.Table(title="API requests of a hook", box=rich.box.SIMPLE)
    columns = ("charm", "apps", "first:\nhooks", "\nreads", "\nwrites", "next:\nreads", "\nwrites")
    for column in (*columns, "seconds ÷\nbare LISTs"):
        made.add_column(column, no_wrap=True, justify="left" if column == "charm" else "right")
    with console.status("starting the lab") as status, lab.Cluster() as cluster:
        status.update("istio-k8s")
        model, found = istio(cluster)
        rows = [found]
        for number, series in enumerate(SERIES):
            for found in growing(cluster, model.controller, f"bench-{number}", series, sizes):
                status.update(f"{series.title}, {found.applications} applications")
                rows.append(found)
    for row in rows:
        *counts, ratio = dataclasses.astuple(row)
        made.add_row(*map(str, counts), f"{ratio:.1f}")
    return made
