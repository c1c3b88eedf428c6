# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The applications that scrape a charm's units, and the access that they need for it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from istio_ambient import authorization, charm
from istio_ambient.charm import observability
from istio_ambient.integrations import requesters
from istio_ambient.interfaces import cross_model_mesh
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

CROSS_MODEL = "provide-cmr-mesh"


class Scrapers(msgspec.Struct, frozen=True):
    """The applications related to a charm's metrics endpoint."""

    model: str
    app: str
    """Our application, whose units are scraped."""
    requesters: tuple[authorization.Requester, ...] = ()
    remotes: Mapping[str, cross_model_mesh.RemoteApplication] = msgspec.field(
        default_factory=dict[str, cross_model_mesh.RemoteApplication]
    )
    """Cross-model identities of remote applications, by their name here."""
    problems: tuple[Problem, ...] = ()

    @property
    def cross_model(self) -> bool:
        """Whether one of them is in another model."""
        return any(requester.model_uuid for requester in self.requesters)

    def requests(
        self, namespaces: Mapping[str, str]
    ) -> tuple[list[authorization.AccessRequest], list[Problem]]:
        """Return access requests for them to our units, and those that are pending.

        A scraper of another model has another name there than here. It publishes that name over
        `cross_model_mesh`, which is used where the model that it names is the scraper's own. The
        namespace is that of the model's id: the controller's model has another name.

        Args:
            namespaces: namespace of a model by its UUID.
        """
        requests: list[authorization.AccessRequest] = []
        pending: list[Problem] = []
        target = authorization.Target.app(self.model, self.app)
        operation = authorization.Operation(ports=(observability.METRICS_PORT,))
        for scraper in self.requesters:
            source = self._source(scraper, namespaces)
            if source is None:
                message = "comes from another model, and its name there is not known"
                remedy = "integrate it with provide-cmr-mesh as well"
                pending.append(scraper.problem(Code.SCRAPER_UNKNOWN, "", message, remedy))
                continue
            requests.append(authorization.AccessRequest(scraper, "", target, source, (operation,)))
        return requests, pending

    def _source(
        self, scraper: authorization.Requester, namespaces: Mapping[str, str]
    ) -> authorization.Source | None:
        """Return the identity of a scraper; None while it is not known."""
        if not scraper.model_uuid:
            return authorization.Source(self.model, scraper.app)
        remote = self.remotes.get(scraper.app)
        namespace = namespaces.get(scraper.model_uuid)
        if remote is None or namespace is None:
            return None
        if not authorization.is_namespace_of(namespace, remote.juju_model_name):
            return None
        return authorization.Source(namespace, remote.app_name)


def read(scraped: charm.ReconcilingCharm[Any]) -> Scrapers:
    """Return the applications that are related to a charm to scrape it."""
    model, relations = scraped.model, scraped.relations
    remotes: dict[str, cross_model_mesh.RemoteApplication] = {}
    problems: list[Problem] = []
    for relation in relations.of(CROSS_MODEL):
        name, databag = relation.app.name, relations.databag(relation) or {}
        remote, found = cross_model_mesh.parse(databag, app=name, endpoint=CROSS_MODEL)
        problems += found
        if remote is not None:
            remotes[name] = remote
    related = relations.of(observability.METRICS)
    return Scrapers(
        model=model.name,
        app=scraped.app.name,
        requesters=tuple(requesters.requester_of(relations, relation) for relation in related),
        remotes=remotes,
        problems=tuple(problems),
    )
