# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who scrapes a charm's units, and may therefore reach them whatever else the mesh refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from istio_ambient import charm, mesh, observability
from istio_ambient.integrations import access_requests, askers
from istio_ambient.problems import Problem
from istio_ambient.relations import cross_model_mesh

CROSS_MODEL = "provide-cmr-mesh"


@dataclass(frozen=True)
class Scrapers:
    """The applications related to a charm's metrics endpoint."""

    model: str
    app: str
    """Ours, which are scraped."""
    askers: tuple[mesh.Asker, ...] = ()
    remotes: Mapping[str, cross_model_mesh.RemoteApplication] = field(
        default_factory=dict[str, cross_model_mesh.RemoteApplication]
    )
    """Who remote applications say they are at home, by their name here."""
    problems: tuple[Problem, ...] = ()

    @property
    def cross_model(self) -> bool:
        """Whether any of them is of another model."""
        return any(asker.model_uuid for asker in self.askers)

    def requests(self, namespaces: Mapping[str, str]) -> tuple[list[mesh.Request], list[Problem]]:
        """Return requests to let them in to our units, and what those wait for that cannot be.

        Args:
            namespaces: by the id of the Juju model that they are.
        """
        target = mesh.Target.app(self.model, self.app)
        return access_requests.of_scrapers(
            self.askers, self.remotes, namespaces, target, observability.METRICS_PORT
        )


def read(asked: charm.ReconcilingCharm[Any]) -> Scrapers:
    """Return who is related to a charm to scrape it."""
    model = asked.model
    remotes: dict[str, cross_model_mesh.RemoteApplication] = {}
    problems: list[Problem] = []
    for relation in asked.active_relations(CROSS_MODEL):
        name, databag = relation.app.name, asked.remote_databag(relation)
        remote, found = cross_model_mesh.parse(databag, app=name, endpoint=CROSS_MODEL)
        problems += found
        if remote is not None:
            remotes[name] = remote
    related = asked.active_relations(observability.METRICS)
    return Scrapers(
        model=model.name,
        app=asked.app.name,
        askers=tuple(askers.asker_of(relation, model.uuid) for relation in related),
        remotes=remotes,
        problems=tuple(problems),
    )
