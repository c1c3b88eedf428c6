# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Hook tools that Juju refuses, for one relation or for all: a stub below ops' own reading of it.

Each refused call ends as a process does, and ops makes of that what it makes of it under Juju.
"""

import contextlib
import inspect
import subprocess
from collections.abc import Callable, Collection, Generator
from typing import Any
from unittest import mock

from ops import hookcmds
from scenario import mocking

FORGOTTEN, DENIED, NUMBERED = (
    "ERROR relation not found",
    "ERROR permission denied",
    "ERROR relation 99 not found (not found)",
)
"""What Juju says of a relation that it has forgotten, by its version and the tool."""
CUT_OFF = "ERROR connection is shut down"
SILENT = "does not answer"
MISSING = "is not there"
"""A tool that is killed after a time, and one that this Juju does not have."""
GONE = (FORGOTTEN, DENIED, NUMBERED)
PASSING = (CUT_OFF, SILENT, MISSING)

TOOLS = {
    "relation-get": "relation_get",
    "relation-set": "relation_set",
    "relation-model-get": "relation_model_get",
    "network-get": "network_get",
    "goal-state": "planned_units",
    "secret-get": "secret_get",
    "secret-info-get": "secret_info_get",
    "secret-add": "secret_add",
    "secret-set": "secret_set",
    "application-version-set": "application_version_set",
}
"""Hook tools without which a hook goes on, and the method of ops' backend that runs each."""
OF_RELATIONS = tuple(TOOLS)[:4]
OF_OPS = {
    "config-get": "config_get",
    "is-leader": "is_leader",
    "status-set": "status_set",
    "juju-log": "juju_log",
}
"""Hook tools that ops runs in each hook."""
METHODS = {
    **TOOLS,
    **OF_OPS,
    "relation-ids": "relation_ids",
    "relation-list": "relation_list",
    "relation-list --app": "relation_remote_app_name",
}
_NAMES = {"relation_name": "endpoint", "member_name": "unit", "is_app": "app"}


@contextlib.contextmanager
def refused(tools: Collection[str], how: str, relation: int | None = None) -> Generator[list[str]]:
    """Refuse these tools while this lasts.

    Args:
        tools: keys of `METHODS`.
        how: what Juju says, or `SILENT` or `MISSING`.
        relation: the id of the only relation that they are refused for.

    Yields:
        The tools that were refused, as they were called.
    """
    calls: list[str] = []
    with contextlib.ExitStack() as stack:
        for tool in tools:
            fake = _refusing(tool, how, relation, calls)
            stack.enter_context(mock.patch.object(mocking._MockModelBackend, METHODS[tool], fake))
        yield calls


def _refusing(tool: str, how: str, relation: int | None, calls: list[str]) -> Callable[..., Any]:
    real = getattr(mocking._MockModelBackend, METHODS[tool])
    signature = inspect.signature(real)

    def run(self: Any, *arguments: Any, **named: Any) -> Any:
        given = signature.bind(self, *arguments, **named).arguments
        if relation is not None and given.get("relation_id") != relation:
            return real(self, *arguments, **named)
        if given.get("level") == "DEBUG":
            # ops itself logs, before there is a charm.
            return real(self, *arguments, **named)
        calls.append(tool)
        trace = {_NAMES.get(name, name): value for name, value in given.items() if name != "self"}
        trace.pop("data", None)
        if tool == "relation-list --app" and how in GONE:
            # ops makes no error of it.
            return None
        with self._wrap_hookcmd(tool, **trace):
            raise _end(tool, how)

    return run


def _end(tool: str, how: str) -> Exception:
    if how == SILENT:
        return subprocess.TimeoutExpired(tool, 60)
    if how == MISSING:
        return FileNotFoundError(tool)
    return hookcmds.Error(returncode=1, cmd=[tool], stderr=f"{how}\n")
