# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The removal of an application: no hook follows, so what cannot be deleted is named."""

import logging
from collections.abc import Callable, Iterable, Sequence

from lightkube.core import resource as lightkube_resource

from istio_ambient import kube
from istio_ambient.charm import status
from istio_ambient.values.problem_codes import Code

logger = logging.getLogger(__name__)

PASSES = 3
"""How often what is left is deleted again; each request is repeated for a while, too."""


def remove(
    client: kube.Client,
    identity: kube.Identity,
    kinds: Sequence[kube.ResourceType],
    cleanup: Callable[[kube.Client], Iterable[kube.RequestError]],
) -> None:
    """Delete all objects of an application; log what is left, and how to delete it.

    Args:
        client: its deadline is that of the hook.
        identity: the application.
        kinds: of its objects.
        cleanup: deletes what controllers made for it, and returns what failed.
    """
    left: dict[kube.ResourceType, list[str]] = {}
    faults: list[kube.Fault] = []
    for number in range(PASSES):
        found, faults = _pass(client, identity, kinds)
        # Names stay known where a later pass cannot read the kind any more.
        kept = {kind: found[kind] or names for kind, names in left.items() if kind in found}
        left = kept if number else found
        if not any(fault.transient for fault in faults):
            break
    errors = tuple(cleanup(client))
    for text in dict.fromkeys([*(f.text for f in faults), *map(str, errors)]):
        logger.error("not deleted: %s", text)
    for kind, names in left.items():
        logger.error("left behind: %s", ", ".join(names) or f"every {_resource(kind)} of ours")
    if left:
        tell_command(identity, left)


def tell_command(identity: kube.Identity, kinds: Iterable[kube.ResourceType]) -> None:
    """Log the command that deletes what is left of an application.

    Args:
        identity: the application.
        kinds: of what is left; those that a removal does not delete are left out.
    """
    selector = ",".join(f"{key}={value}" for key, value in identity.labels.items())
    resources = ",".join(sorted(_resource(kind) for kind in kinds if not kube.is_kept(kind)))
    logger.error("to delete them: kubectl delete %s -A -l %s", resources, selector)
    former = kube.former_name(identity.owner_annotation, identity.former_domain)
    keys = " or ".join(dict.fromkeys((identity.owner_annotation, former)))
    logger.error("before that, see that each has the annotation %s: %s", keys, identity.owner)


def _pass(
    client: kube.Client, identity: kube.Identity, kinds: Sequence[kube.ResourceType]
) -> tuple[dict[kube.ResourceType, list[str]], list[kube.Fault]]:
    """Delete what there is; return the names of what is left by kind, and the faults."""
    try:
        live = kube.read_live(client, identity, kinds)
    except kube.RequestError as error:
        left = {kind: list[str]() for kind in kinds if not kube.is_kept(kind)}
        return left, [kube.fault_of(error, identity)]
    left = {kind: list[str]() for kind in live.unread if not kube.is_kept(kind)}
    plan = kube.plan((), live)
    applied = kube.apply(client, plan, identity)
    # What is changed here is narrowed, and stays.
    held = (*plan.of(kube.Verb.HELD), *plan.of(kube.Verb.UPDATE), *applied.held)
    for change in (*applied.failed.values(), *held):
        left.setdefault(change.kind, []).append(str(change.ref))
    errors = (*live.unread.values(), *kube.release(client, live))
    faults = [*applied.faults, *(kube.fault_of(error, identity) for error in errors)]
    waiting = (status.of_change(Code.HELD, change) for change in held)
    return left, [*faults, *(kube.Fault(each, transient=False) for each in waiting)]


def _resource(kind: kube.ResourceType) -> str:
    """Return a kind as kubectl takes it: `httproutes.gateway.networking.k8s.io`."""
    info = lightkube_resource.api_info(kind)
    return f"{info.plural}.{info.resource.group}".removesuffix(".")
