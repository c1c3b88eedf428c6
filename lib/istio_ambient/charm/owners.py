# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which owners of objects are no more: their objects may be adopted."""

from collections.abc import Iterable

from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import Namespace

from istio_ambient import kube

MAX_OWNERS = 5
"""Owners that are looked for in one hook."""


def abandoned(
    client: kube.Client, identity: kube.Identity, objects: Iterable[kube.Resource]
) -> frozenset[str]:
    """Return the owners of objects that are no more: their model or application was removed.

    Juju runs an application as a StatefulSet of its name in the namespace of its model. While it
    cannot be read, its owner is taken for alive.

    Args:
        client: sends two requests for each owner.
        identity: our application.
        objects: that have names of ours.
    """
    owners = {identity.owner_of(kube.manifest_of(obj)) for obj in objects}
    others = sorted(owner for owner in owners if "/" in owner and owner != identity.owner)
    return frozenset(owner for owner in others[:MAX_OWNERS] if _is_gone(client, owner))


def _is_gone(client: kube.Client, owner: str) -> bool:
    namespace, _, app = owner.partition("/")
    try:
        kube.read(client, Namespace, namespace)
        kube.read(client, StatefulSet, app, namespace)
    except kube.RequestError as error:
        return error.is_absence
    return False
