# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From what stands in databags to what the mesh decides on: the two know nothing of each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from istio_ambient import authorization, kube
from istio_ambient.interfaces import cross_model_mesh, service_mesh
from istio_ambient.values.problems import Problem


def of_applications(
    databags: Iterable[tuple[authorization.Requester, Mapping[str, str]]],
    cluster: authorization.Cluster,
    namespace: str,
    policies: Sequence[kube.Manifest] = (),
) -> tuple[list[authorization.AccessRequest], list[Problem]]:
    """Return what applications ask for in their `service_mesh` databags, and what is wrong there.

    What an application asked for and cannot be read becomes a request to close the target: one
    that restricts who may reach it must not be open to all because of a mistake in how it says so.

    Args:
        databags: of each application.
        cluster: Services and namespaces.
        namespace: our own.
        policies: those of ours in the cluster.
    """
    requests: list[authorization.AccessRequest] = []
    problems: list[Problem] = []
    requesters = authorization.requesters_of(policies)
    for requester, databag in databags:
        asked, found = service_mesh.parse_policies(
            databag, app=requester.app, endpoint=requester.endpoint
        )
        problems += found
        before = {
            target for target, by in requesters.items() if by is None or str(requester) in by
        }
        requests += _readable(asked, requester, before)
        if asked.unread:
            home = cluster.model_namespaces.get(requester.model_uuid, namespace)
            requests += _closures(asked, requester, cluster, home, before)
    return requests, problems


def _readable(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    asked_before: Collection[authorization.Target],
) -> Iterator[authorization.AccessRequest]:
    for field, policy in policies.entries.items():
        target = _target(policy)
        yield authorization.AccessRequest(
            requester=requester,
            field=field,
            target=target,
            established=target in asked_before,
            source=authorization.Source(policy.source_namespace, policy.source_app_name),
            operations=tuple(_operation(endpoint) for endpoint in policy.endpoints),
            target_app=policy.target_app_name or "",
        )


def _closures(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    cluster: authorization.Cluster,
    namespace: str,
    asked_before: Collection[authorization.Target],
) -> Iterator[authorization.AccessRequest]:
    """Yield requests to close the targets of entries that could not be read.

    Where not even the target can be told, that is everything which belongs to the application, and
    whatever it asked about before: a trusted requester's targets belong to others, and what an
    application of another model is called there only its requests tell.
    """
    targets: set[authorization.Target] = set()
    for unread in policies.unread:
        app = unread.target_app_name or requester.app
        if unread.target_type == "app":
            targets.add(authorization.Target.service(namespace, unread.target_service or app))
        elif unread.target_type == "unit":
            labels = unread.target_selector_labels or {authorization.NAME_LABEL: app}
            targets.add(authorization.Target.workload(namespace, labels))
        else:
            targets.update(
                authorization.targets_of(requester.app, cluster, namespace), asked_before
            )
    for target in sorted(targets):
        established = target in asked_before
        yield authorization.AccessRequest(
            requester, "policies", target, source=None, established=established
        )


def of_scrapers(
    scrapers: Iterable[authorization.Requester],
    remotes: Mapping[str, cross_model_mesh.RemoteApplication],
    namespaces: Mapping[str, str],
    target: authorization.Target,
    port: int,
) -> tuple[list[authorization.AccessRequest], list[Problem]]:
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
    requests: list[authorization.AccessRequest] = []
    waiting: list[Problem] = []
    operation = authorization.Operation(ports=(port,))
    for scraper in scrapers:
        source: authorization.Source | None = authorization.Source(target.namespace, scraper.app)
        if scraper.model_uuid:
            source = _remote_source(remotes.get(scraper.app), scraper, namespaces)
        if source is None:
            message = "comes from another model, and does not say which application it is there"
            remedy = "integrate it with provide-cmr-mesh as well"
            waiting.append(Problem(scraper.app, scraper.endpoint, "", message, remedy))
            continue
        requests.append(authorization.AccessRequest(scraper, "", target, source, (operation,)))
    return requests, waiting


def _remote_source(
    remote: cross_model_mesh.RemoteApplication | None,
    scraper: authorization.Requester,
    namespaces: Mapping[str, str],
) -> authorization.Source | None:
    if remote is None:
        return None
    home = namespaces.get(scraper.model_uuid)
    if home is None or home != remote.juju_model_name:
        return None
    return authorization.Source(home, remote.app_name)


def _target(policy: service_mesh.MeshPolicy) -> authorization.Target:
    namespace = policy.target_namespace
    app = policy.target_app_name or ""
    if policy.target_type == "app":
        return authorization.Target.service(namespace, policy.target_service or app)
    return authorization.Target.workload(
        namespace, policy.target_selector_labels or {authorization.NAME_LABEL: app}
    )


def _operation(endpoint: service_mesh.Endpoint) -> authorization.Operation:
    return authorization.Operation(
        hosts=endpoint.hosts or (),
        ports=endpoint.ports or (),
        methods=endpoint.methods or (),
        paths=endpoint.paths or (),
    )
