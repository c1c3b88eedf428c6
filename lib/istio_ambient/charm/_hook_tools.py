# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hook tools that ops itself runs in each hook: where Juju refuses one, the hook goes on.

ops asks `is-leader` and `status-set` for the status after every event, and each line of the log is
a `juju-log`. Nobody but these wrappers could catch what they end in.
"""

import logging
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

import ops

from istio_ambient.charm.relations import REFUSALS, Relations

logger = logging.getLogger(__name__)

T = TypeVar("T")


def survive_refusals(model: ops.Model, relations: Relations) -> None:
    """Let a hook go on where Juju refuses `is-leader`, `status-set` or `juju-log`.

    A unit of which Juju does not say that it is the leader is none: it writes nothing.

    Args:
        model: whose hook tools these are.
        relations: keep the problem, for the status and the log.
    """
    backend: Any = cast(Any, model)._backend
    # ops never lets go of a backend: tests that run many hooks would keep the charm of each, and
    # its connections to the API server.
    relations = weakref.proxy(relations)
    backend.is_leader = _surviving("is-leader", backend.is_leader, False, relations)
    backend.status_set = _surviving("status-set", backend.status_set, None, relations)
    backend.juju_log = _unheard(backend.juju_log)


def _surviving(
    tool: str, run: Callable[..., T], instead: T, relations: Relations
) -> Callable[..., T]:
    refused = False

    def survived(*arguments: Any, **named: Any) -> T:
        nonlocal refused
        if not refused:
            with relations.tolerating(tool):
                return run(*arguments, **named)
            # After status-set, nothing else reports it.
            logger.warning("Juju refuses %s", tool)
        # Once is enough for a hook: each question may take a minute to fail.
        refused = True
        return instead

    return survived


def _unheard(log: Callable[..., None]) -> Callable[..., None]:
    def logged(*arguments: Any, **named: Any) -> None:
        try:
            log(*arguments, **named)
        except REFUSALS:
            # There is no other place to say so.
            return

    return logged
