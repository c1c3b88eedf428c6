# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to access requests: interfaces and `authorization` know nothing of each other."""

import collections
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from istio_ambient import authorization
from istio_ambient.interfaces import service_mesh
from istio_ambient.values.problems import Problem

_NO_REQUESTERS: Mapping[authorization.Target, authorization.Provenance] = {}


def of_applications(
    databags: Iterable[tuple[authorization.Requester, Mapping[str, str] | None]],
    cluster: authorization.Cluster,
    namespace: str,
    requesters: Mapping[authorization.Target, authorization.Provenance] = _NO_REQUESTERS,
) -> tuple[list[authorization.AccessRequest], list[Problem]]:
    """Return the access requests in `service_mesh` databags, and the problems of these.

    An entry that cannot be read becomes a request to close its target. An application that
    restricts who may reach it must not be open to all clients because of a mistake in an entry.

    Args:
        databags: of each application; None: unreadable, so that all of its targets are closed.
        cluster: Services and namespaces.
        namespace: our own.
        requesters: of our policies in the cluster, by target.
    """
    requests: list[authorization.AccessRequest] = []
    problems: list[Problem] = []
    earlier = _Earlier.of(requesters)
    for requester, databag in databags:
        parsed, found = service_mesh.UNREADABLE, list[Problem]()
        if databag is not None:
            parsed, found = service_mesh.parse_policies(
                databag, app=requester.app, endpoint=requester.endpoint
            )
        problems += found
        established = earlier.targets(requester)
        requests += _readable(parsed, requester, established)
        if parsed.unread:
            home = cluster.model_namespaces.get(requester.model_uuid, namespace)
            requests += _closures(parsed, requester, cluster, home, established)
    return requests, problems


class _Earlier(msgspec.Struct, frozen=True):
    """Which requesters have policies for which targets, found without asking each target."""

    by_requester: dict[str, dict[authorization.Target, bool | None]]
    of_anybody: dict[authorization.Target, bool | None]
    """Targets of which every application counts as a requester, or may be one (None)."""

    @classmethod
    def of(cls, requesters: Mapping[authorization.Target, authorization.Provenance]) -> "_Earlier":
        by_requester: dict[str, dict[authorization.Target, bool | None]] = {}
        for target, found in requesters.items():
            for requester in found.requesters:
                by_requester.setdefault(requester, {})[target] = True
        return cls(
            by_requester,
            {
                target: True if found.adopted else None
                for target, found in requesters.items()
                if found.adopted or not found.complete
            },
        )

    def targets(
        self, requester: authorization.Requester
    ) -> Mapping[authorization.Target, bool | None]:
        """Return `Provenance.names` of each target where it is not False."""
        return collections.ChainMap(self.by_requester.get(str(requester), {}), self.of_anybody)


def _readable(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    established: Mapping[authorization.Target, bool | None],
) -> Iterator[authorization.AccessRequest]:
    for field, policy in policies.entries.items():
        target = _target(policy, policy.target_namespace, policy.target_app_name or "")
        yield authorization.AccessRequest(
            requester=requester,
            field=field,
            target=target,
            established=established.get(target, False),
            source=authorization.Source(policy.source_namespace, policy.source_app_name),
            operations=tuple(_operation(endpoint) for endpoint in policy.endpoints),
            target_app=policy.target_app_name or "",
        )


def _closures(
    policies: service_mesh.Policies,
    requester: authorization.Requester,
    cluster: authorization.Cluster,
    namespace: str,
    established: Mapping[authorization.Target, bool | None],
) -> Iterator[authorization.AccessRequest]:
    """Yield requests to close the targets of entries that could not be read.

    Where the target cannot be read either, these are all targets of the application and those that
    it has, or may have, policies for. The latter matter for a trusted requester, whose targets
    belong to others, and for an application of another model, whose name there only its requests
    have. Targets that it may not ask for are refused.
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
            requester, "policies", target, source=None, established=established.get(target, False)
        )


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
