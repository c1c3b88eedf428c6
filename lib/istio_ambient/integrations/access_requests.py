# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From what stands in databags to what the mesh decides on: the two know nothing of each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from istio_ambient import kube, mesh
from istio_ambient.problems import Problem
from istio_ambient.relations import cross_model_mesh, service_mesh


def of_applications(
    databags: Iterable[tuple[mesh.Asker, Mapping[str, str]]],
    cluster: mesh.Cluster,
    namespace: str,
    policies: Sequence[kube.Manifest] = (),
) -> tuple[list[mesh.Request], list[Problem]]:
    """Return what applications ask for in their `service_mesh` databags, and what is wrong there.

    What an application asked for and cannot be read becomes a request to close the target: one
    that restricts who may reach it must not be open to all because of a mistake in how it says so.

    Args:
        databags: of each application.
        cluster: Services and namespaces.
        namespace: our own.
        policies: those of ours in the cluster.
    """
    requests: list[mesh.Request] = []
    problems: list[Problem] = []
    askers = mesh.askers_of(policies)
    for asker, databag in databags:
        asked, found = service_mesh.parse_policies(databag, app=asker.app, endpoint=asker.endpoint)
        problems += found
        before = {target for target, by in askers.items() if by is None or str(asker) in by}
        requests += _readable(asked, asker, before)
        if asked.unread:
            home = cluster.model_namespaces.get(asker.model_uuid, namespace)
            requests += _closures(asked, asker, cluster, home, before)
    return requests, problems


def _readable(
    policies: service_mesh.Policies, asker: mesh.Asker, asked_before: Collection[mesh.Target]
) -> Iterator[mesh.Request]:
    for field, policy in policies.entries.items():
        target = _target(policy)
        yield mesh.Request(
            asker=asker,
            field=field,
            target=target,
            established=target in asked_before,
            source=mesh.Source(policy.source_namespace, policy.source_app_name),
            operations=tuple(_operation(endpoint) for endpoint in policy.endpoints),
            target_app=policy.target_app_name or "",
        )


def _closures(
    policies: service_mesh.Policies,
    asker: mesh.Asker,
    cluster: mesh.Cluster,
    namespace: str,
    asked_before: Collection[mesh.Target],
) -> Iterator[mesh.Request]:
    """Yield requests to close the targets of entries that could not be read.

    Where not even the target can be told, that is everything which belongs to the application, and
    whatever it asked about before: a trusted requester's targets belong to others, and what an
    application of another model is called there only its requests tell.
    """
    targets: set[mesh.Target] = set()
    for unread in policies.unread:
        app = unread.target_app_name or asker.app
        if unread.target_type == "app":
            targets.add(mesh.Target.service(namespace, unread.target_service or app))
        elif unread.target_type == "unit":
            labels = unread.target_selector_labels or {mesh.NAME_LABEL: app}
            targets.add(mesh.Target.workload(namespace, labels))
        else:
            targets.update(mesh.targets_of(asker.app, cluster, namespace), asked_before)
    for target in sorted(targets):
        established = target in asked_before
        yield mesh.Request(asker, "policies", target, source=None, established=established)


def of_scrapers(
    scrapers: Iterable[mesh.Asker],
    remotes: Mapping[str, cross_model_mesh.RemoteApplication],
    namespaces: Mapping[str, str],
    target: mesh.Target,
    port: int,
) -> tuple[list[mesh.Request], list[Problem]]:
    """Return requests to let those in that scrape us, and what those wait for that cannot be.

    A scraper in another model is known there by another name than here. It tells which through
    `cross_model_mesh`; it is believed where the namespace is the one of its model.

    Args:
        scrapers: the applications related to our metrics endpoint.
        remotes: what remote applications say they are at home, by their name here.
        namespaces: by the id of the Juju model that they are.
        target: what is scraped.
        port: the port that is scraped.
    """
    requests: list[mesh.Request] = []
    waiting: list[Problem] = []
    operation = mesh.Operation(ports=(port,))
    for scraper in scrapers:
        source: mesh.Source | None = mesh.Source(target.namespace, scraper.app)
        if scraper.model_uuid:
            source = _remote_source(remotes.get(scraper.app), scraper, namespaces)
        if source is None:
            message = "comes from another model, and does not say which application it is there"
            cure = "integrate it with provide-cmr-mesh as well"
            waiting.append(Problem(scraper.app, scraper.endpoint, "", message, cure))
            continue
        requests.append(mesh.Request(scraper, "", target, source, (operation,)))
    return requests, waiting


def _remote_source(
    remote: cross_model_mesh.RemoteApplication | None,
    scraper: mesh.Asker,
    namespaces: Mapping[str, str],
) -> mesh.Source | None:
    if remote is None:
        return None
    home = namespaces.get(scraper.model_uuid)
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
