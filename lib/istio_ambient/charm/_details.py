# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The action `status-details`: everything that the last hook of a unit found.

A hook keeps its problems in the unit's state. The action runs in a process of its own, and reads
nothing else: its answer is about the status that `juju status` shows, not about a later moment.
"""

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import ops

from istio_ambient.charm import outward, parameters, status
from istio_ambient.values import documentation, problem_codes, tables

MAX_KEPT = 500
"""Problems that are kept of one hook."""
NOTHING = "no problem"


class StatusDetails(ops.Object):
    """Keeps what the last hook found, and answers the action where the charm declares it."""

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase):
        super().__init__(charm, status.DETAILS)
        self._stored.set_default(last="")
        if status.DETAILS in charm.meta.actions:
            self.framework.observe(charm.on[status.DETAILS].action, self._on_action)

    def keep(
        self, shown: ops.StatusBase, found: Sequence[status.Reported], now: datetime.datetime
    ) -> None:
        """Keep the status of a hook and the problems behind it.

        Args:
            shown: the unit status.
            found: everything that it is made of.
            now: the time of the hook.
        """
        last = {
            "status": shown.name,
            "message": shown.message,
            "as-of": now.isoformat(timespec="seconds"),
            "problems": [each.data for each in found[:MAX_KEPT]],
        }
        self._stored.last = json.dumps(last)

    def _on_action(self, event: ops.ActionEvent) -> None:
        try:
            form = parameters.choice(event.params, "format", (parameters.TABLE, parameters.JSON))
        except parameters.ParameterError as error:
            outward.fail(event, str(error))
            return
        if not self._stored.last:
            outward.fail(event, "no hook has run since the unit's pod started: wait for the first")
            return
        last: dict[str, Any] = json.loads(cast(str, self._stored.last))
        render = text if form == parameters.TABLE else tables.as_json
        problems = list(map(_with_page, last.pop("problems")))
        shown = tables.fitted("problems", problems, render)
        outward.set_results(event, {**last, **shown})


def _with_page(problem: Mapping[str, str]) -> dict[str, str]:
    """Return a problem with what the page of its code says, for whoever has the charm alone."""
    code = problem_codes.code_of(problem["code"])
    if code is None:
        return dict(problem)
    cause, advice = map(documentation.as_text, (code.value.cause, code.value.remedy))
    return {**problem, "cause": cause, "advice": advice}


def text(problems: Iterable[Mapping[str, str]]) -> str:
    """Return problems as text for people, several lines for each.

    Args:
        problems: as `Reported.data` returns them, maybe with what their pages say.
    """
    return "\n\n".join(map(_paragraph, problems)) or NOTHING


def _paragraph(problem: Mapping[str, str]) -> str:
    lines = (
        ("where", problem["where"]),
        ("what", problem["message"]),
        ("remedy", problem["remedy"]),
        ("why", problem.get("cause")),
        ("advice", problem.get("advice")),
        ("page", problem["link"]),
    )
    head = f"{problem['code']} {problem['severity']}, {problem['status']}"
    return "\n".join((head, *(f"  {name:6} {value}" for name, value in lines if value)))
