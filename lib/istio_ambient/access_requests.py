# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From what stands in databags to what the mesh decides on: the two know nothing of each other."""

from collections.abc import Iterable, Iterator, Mapping

from istio_ambient import mesh
from istio_ambient.problems import Problem
from istio_ambient.relations import cross_model_mesh, service_mesh


def of_application(policies: service_mesh.Policies, asker: mesh.Asker) -> Iterator[mesh.Request]:
    """Return what one application asks for.

    What it asked for and cannot be read becomes a request to close the target: an application that
    restricts who may reach it must not be open to all because of a mistake in how it says so.
    """
    for field, policy in policies.entries.items():
        yield mesh.Request(
            asker=asker,
            field=field,
            target=_target(policy),
            source=mesh.Source(policy.source_namespace, policy.source_app_name),
            operations=tuple(_operation(endpoint) for endpoint in policy.endpoints),
            target_app=policy.target_app_name or "",
        )


def closures(
    policies: service_mesh.Policies, asker: mesh.Asker, cluster: mesh.Cluster, namespace: str
) -> Iterator[mesh.Request]:
    """Return requests to close the targets of entries that could not be read.

    Where not even the target can be told, that is everything which belongs to the application.

    Args:
        policies: what the application asks for.
        asker: the application.
        cluster: the Services that there are.
        namespace: where the application's targets can only be.
    """
    targets: set[mesh.Target] = set()
    for unread in policies.unread:
        if unread.target_type == "app":
            targets.add(mesh.Target.service(namespace, unread.target_service or asker.app))
        elif unread.target_type == "unit":
            labels = unread.target_selector_labels or {mesh.NAME_LABEL: asker.app}
            targets.add(mesh.Target.workload(namespace, labels))
        else:
            targets.update(mesh.targets_of(asker.app, cluster, namespace))
    for target in sorted(targets):
        yield mesh.Request(asker=asker, field="policies", target=target, source=None)


def of_scrapers(
    scrapers: Iterable[mesh.Asker],
    remotes: Mapping[str, cross_model_mesh.RemoteApplication],
    cluster: mesh.Cluster,
    target: mesh.Target,
    port: int,
) -> tuple[list[mesh.Request], list[Problem]]:
    """Return requests to let those in that scrape us, and what those wait for that cannot be.

    A scraper in another model is known there by another name than here. It tells which through
    `cross_model_mesh`; it is believed where the namespace is the one of its model.

    Args:
        scrapers: the applications related to our metrics endpoint.
        remotes: what remote applications say they are at home, by their name here.
        cluster: where models are.
        target: what is scraped.
        port: the port that is scraped.
    """
    requests: list[mesh.Request] = []
    waiting: list[Problem] = []
    operation = mesh.Operation(ports=(port,))
    for scraper in scrapers:
        source: mesh.Source | None = mesh.Source(target.namespace, scraper.app)
        if scraper.model_uuid:
            source = _remote_source(remotes.get(scraper.app), scraper, cluster)
        if source is None:
            message = "comes from another model, and does not say which application it is there"
            cure = "integrate it with provide-cmr-mesh as well"
            waiting.append(Problem(scraper.app, scraper.endpoint, "", message, cure))
            continue
        requests.append(mesh.Request(scraper, "", target, source, (operation,)))
    return requests, waiting


def _remote_source(
    remote: cross_model_mesh.RemoteApplication | None, scraper: mesh.Asker, cluster: mesh.Cluster
) -> mesh.Source | None:
    if remote is None:
        return None
    home = cluster.model_namespaces.get(scraper.model_uuid)
    if home is None or home != remote.juju_model_name:
        return None
    return mesh.Source(home, remote.app_name)


def _target(policy: service_mesh.MeshPolicy) -> mesh.Target:
    namespace = policy.target_namespace
    app = policy.target_app_name or ""
    if policy.target_type == "app":
        return mesh.Target.service(namespace, policy.target_service or app)
    return mesh.Target.workload(namespace, policy.target_selector_labels or {mesh.NAME_LABEL: app})


def _operation(endpoint: service_mesh.Endpoint) -> mesh.Operation:
    return mesh.Operation(
        hosts=endpoint.hosts or (),
        ports=endpoint.ports or (),
        methods=endpoint.methods or (),
        paths=endpoint.paths or (),
    )
