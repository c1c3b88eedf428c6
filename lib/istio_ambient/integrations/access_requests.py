# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to access requests: interfaces and `authorization` know nothing of each other."""

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
    """Return the access requests in `service_mesh` databags, and the problems of these.

    An entry that cannot be read becomes a request to close its target. An application that
    restricts who may reach it must not be open to all clients because of a mistake in an entry.

    Args:
        databags: of each application.
        cluster: Services and namespaces.
        namespace: our own.
        policies: our policies in the cluster, in JSON form.
    """
    requests: list[authorization.AccessRequest] = []
    problems: list[Problem] = []
    requesters = authorization.requesters_of(policies)
    for requester, databag in databags:
        parsed, found = service_mesh.parse_policies(
            databag, app=requester.app, endpoint=requester.endpoint
        )
        problems += found
        established = {
            target for target, by in requesters.items() if by is None or str(requester) in by
        }
        requests += _readable(parsed, requester, established)
        if parsed.unread:
            home = cluster.model_namespaces.get(requester.model_uuid, namespace)
            requests += _closures(parsed, requester, cluster, home, established)
    return requests, problems


def _readable(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    established: Collection[authorization.Target],
) -> Iterator[authorization.AccessRequest]:
    for field, policy in policies.entries.items():
        target = _target(policy, policy.target_namespace, policy.target_app_name or "")
        yield authorization.AccessRequest(
            requester=requester,
            field=field,
            target=target,
            established=target in established,
            source=authorization.Source(policy.source_namespace, policy.source_app_name),
            operations=tuple(_operation(endpoint) for endpoint in policy.endpoints),
            target_app=policy.target_app_name or "",
        )


def _closures(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    cluster: authorization.Cluster,
    namespace: str,
    established: Collection[authorization.Target],
) -> Iterator[authorization.AccessRequest]:
    """Yield requests to close the targets of entries that could not be read.

    Where the target cannot be read either, these are all targets of the application and those that
    it has policies for. The latter matter for a trusted requester, whose targets belong to others,
    and for an application of another model, whose name there only its requests have.
    """
    targets: set[authorization.Target] = set()
    for unread in policies.unread:
        if unread.target_type:
            targets.add(_target(unread, namespace, unread.target_app_name or requester.app))
        else:
            targets.update(
                authorization.targets_of(requester.app, cluster, namespace), established
            )
    for target in sorted(targets):
        yield authorization.AccessRequest(
            requester, "policies", target, source=None, established=target in established
        )


def of_scrapers(
    scrapers: Iterable[authorization.Requester],
    remotes: Mapping[str, cross_model_mesh.RemoteApplication],
    namespaces: Mapping[str, str],
    target: authorization.Target,
    port: int,
) -> tuple[list[authorization.AccessRequest], list[Problem]]:
    """Return access requests for the applications that scrape us, and those that are pending.

    A scraper of another model has another name there than here. It publishes that name over
    `cross_model_mesh`, which is used where the model that it names is the scraper's own.

    Args:
        scrapers: the applications related to our metrics endpoint.
        remotes: cross-model identities, by the application's name here.
        namespaces: namespace of a model by its UUID.
        target: what is scraped.
        port: of the pods.
    """
    requests: list[authorization.AccessRequest] = []
    pending: list[Problem] = []
    operation = authorization.Operation(ports=(port,))
    for scraper in scrapers:
        source: authorization.Source | None = authorization.Source(target.namespace, scraper.app)
        if scraper.model_uuid:
            source = _remote_source(remotes.get(scraper.app), scraper, namespaces)
        if source is None:
            message = "comes from another model, and its name there is not known"
            remedy = "integrate it with provide-cmr-mesh as well"
            pending.append(scraper.problem("", message, remedy))
            continue
        requests.append(authorization.AccessRequest(scraper, "", target, source, (operation,)))
    return requests, pending


def _remote_source(
    remote: cross_model_mesh.RemoteApplication | None,
    scraper: authorization.Requester,
    namespaces: Mapping[str, str],
) -> authorization.Source | None:
    if remote is None or namespaces.get(scraper.model_uuid) != remote.juju_model_name:
        return None
    return authorization.Source(remote.juju_model_name, remote.app_name)


def _target(
    entry: service_mesh.MeshPolicy | service_mesh.Unread, namespace: str, app: str
) -> authorization.Target:
    if entry.target_type == "app":
        return authorization.Target.service(namespace, entry.target_service or app)
    labels = entry.target_selector_labels or {authorization.NAME_LABEL: app}
    return authorization.Target.workload(namespace, labels)


def _operation(endpoint: service_mesh.Endpoint) -> authorization.Operation:
    return authorization.Operation(
        hosts=endpoint.hosts or (),
        ports=endpoint.ports or (),
        methods=endpoint.methods or (),
        paths=endpoint.paths or (),
    )
