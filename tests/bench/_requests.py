# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Count the API requests of hooks for growing numbers of applications: `make bench`."""

import dataclasses
import json
from collections.abc import Callable, Iterator

import rich.box
import rich.console
import rich.table

from tests import lab
from tests.lab import apps, beacon, conftest, juju

SIZES = (1, 10, 100)
INGRESS = "istio-ingress-k8s"

Relate = Callable[[beacon.Shop, int], None]


@dataclasses.dataclass(frozen=True)
class Figures:
    """Requests of the hook that handles a change, and of the next one without a change."""

    charm: str
    applications: int
    first_reads: int
    first_writes: int
    next_reads: int
    next_writes: int


def istio(cluster: lab.Cluster) -> tuple[juju.Model, Figures]:
    """Install the control plane; return its model and figures."""
    model = juju.Model(cluster, "istio-system")
    model.deploy(conftest.CHARMS / "istio-k8s")
    unit = "istio-k8s/0"
    with model.requests(unit) as first:
        model.wait_active()
    return model, _figures(model, "istio-k8s", unit, 0, first)


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
    cluster: lab.Cluster, controller: juju.Controller, name: str, series: Series
) -> Iterator[Figures]:
    """Relate a growing number of applications to a charm; yield the figures of each size."""
    model = juju.Model(cluster, name, controller=controller)
    unit = f"{series.charm}/0"
    model.deploy(conftest.CHARMS / series.charm)
    series.prepare(model)
    model.wait_active()
    shop, related = beacon.Shop(cluster, model), 0
    for size in SIZES:
        for number in range(related, size):
            series.relate(shop, number)
        with model.requests(unit) as first:
            model.emit(unit, "update-status")
        yield _figures(model, series.title, unit, size, first)
        related = size
    model.destroy(force=True)


def _figures(model: juju.Model, charm: str, unit: str, size: int, first: juju.Requests) -> Figures:
    with model.requests(unit) as again:
        model.emit(unit, "update-status")
    return Figures(
        charm, size, len(first.reads), len(first.writes), len(again.reads), len(again.writes)
    )


def main() -> None:
    """Measure, and print the table."""
    console = rich.console.Console(highlight=False)
    table = rich.table.Table(title="API requests of a hook", box=rich.box.SIMPLE)
    for column in ("charm", "apps", "first:\nreads", "\nwrites", "next:\nreads", "\nwrites"):
        table.add_column(column, no_wrap=True, justify="left" if column == "charm" else "right")
    with console.status("starting the lab") as status, lab.Cluster() as cluster:
        status.update("istio-k8s")
        model, found = istio(cluster)
        rows = [found]
        for number, series in enumerate(SERIES):
            for found in growing(cluster, model.controller, f"bench-{number}", series):
                status.update(f"{series.title}, {found.applications} applications")
                rows.append(found)
    for row in rows:
        table.add_row(*map(str, dataclasses.astuple(row)))
    console.print(table)


if __name__ == "__main__":
    main()
