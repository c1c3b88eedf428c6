# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the live objects that decide who may reach whom."""

from lightkube.resources.core_v1 import Namespace, Node, Pod, Service

from istio_ambient import authorization, kube, resources
from istio_ambient.authorization import evaluator


def read(
    client: kube.Client,
    root_namespace: str,
    *,
    auto_allow: bool,
    mesh: authorization.MeshSettings | None = None,
) -> evaluator.Snapshot:
    """Return the objects of the whole cluster, by one LIST for each kind.

    PeerAuthentications and RequestAuthentications need not be readable: the snapshot then says so.
    Neither need nodes: what they tell then follows from pods.

    Args:
        client: may list these kinds in all namespaces; a kind that is not served has no objects.
        root_namespace: Istio's root namespace.
        auto_allow: whether istiod runs with PILOT_AUTO_ALLOW_WAYPOINT_POLICY.
        mesh: what of the mesh config decides about requests; None: its defaults.

    Raises:
        kube.RequestError: on any other answer but success, to a LIST of another kind.
    """
    peers, unread_peers = _optional(client, resources.PeerAuthentication, "PeerAuthentication")
    tokens, unread_tokens = _optional(
        client, resources.RequestAuthentication, "RequestAuthentication"
    )
    return evaluator.Snapshot(
        root_namespace=root_namespace,
        auto_allow=auto_allow,
        mesh=mesh or authorization.MeshSettings(),
        namespaces=_all(client, Namespace),
        services=_all(client, Service),
        pods=_all(client, Pod),
        gateways=_all(client, resources.Gateway),
        policies=_all(client, resources.AuthorizationPolicy),
        peer_authentications=peers,
        request_authentications=tokens,
        nodes=_optional(client, Node, "Node")[0],
        unread=(*unread_peers, *unread_tokens),
    )


def _optional(
    client: kube.Client, kind: kube.ResourceType, name: str
) -> tuple[tuple[kube.Manifest, ...], tuple[str, ...]]:
    """Return the objects of a kind, and the kind's name where they cannot be read."""
    try:
        return _all(client, kind), ()
    except kube.RequestError:
        return (), (f"{name}s",)


def _all(client: kube.Client, kind: kube.ResourceType) -> tuple[kube.Manifest, ...]:
    return tuple(map(kube.manifest_of, kube.list_kind(client, kind) or ()))
