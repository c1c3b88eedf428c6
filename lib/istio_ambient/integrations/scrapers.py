# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who scrapes a charm's units, and may therefore reach them whatever else the mesh refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from istio_ambient import authorization, charm
from istio_ambient.charm import observability
from istio_ambient.integrations import access_requests, requesters
from istio_ambient.interfaces import cross_model_mesh
from istio_ambient.values.problems import Problem

CROSS_MODEL = "provide-cmr-mesh"


@dataclass(frozen=True)
class Scrapers:
    """The applications related to a charm's metrics endpoint."""

    model: str
    app: str
    """Ours, which are scraped."""
    requesters: tuple[authorization.Requester, ...] = ()
    remotes: Mapping[str, cross_model_mesh.RemoteApplication] = field(
        default_factory=dict[str, cross_model_mesh.RemoteApplication]
    )
    """Who remote applications say they are at home, by their name here."""
    problems: tuple[Problem, ...] = ()

    @property
    def cross_model(self) -> bool:
        """Whether any of them is of another model."""
        return any(requester.model_uuid for requester in self.requesters)

    def requests(
        self, namespaces: Mapping[str, str]
    ) -> tuple[list[authorization.AccessRequest], list[Problem]]:
        """Return requests to let them in to our units, and what those wait for that cannot be.

        Args:
            namespaces: by the id of the Juju model that they are.
        """
        target = authorization.Target.app(self.model, self.app)
        return access_requests.of_scrapers(
            self.requesters, self.remotes, namespaces, target, observability.METRICS_PORT
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
        requesters=tuple(requesters.requester_of(relation, model.uuid) for relation in related),
        remotes=remotes,
        problems=tuple(problems),
    )
