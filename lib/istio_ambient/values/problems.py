# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Problems: invalid data from outside, as a value; and the error that a validator raises for it.

A parser of a databag returns the good entries and a `Problem` for each bad one, and never raises.
The unit status shows the first problem, actions show all.
"""

from collections.abc import Iterable

import msgspec

from istio_ambient.values.problem_codes import Code
from istio_ambient.values.text import MAX_MESSAGE, MAX_NAME, printable

MAX_OF_ONE = 50
"""Problems of one application that are kept for statuses, logs and actions that log."""


class InvalidValueError(ValueError):
    """A value is not acceptable. Validators raise it; a reader turns it into a `Problem`.

    Args:
        message: what is wrong. Only a validator of options may quote the value in it: a value of
            a databag may be secret.
        remedy: what is accepted, as an instruction.
        field: the place inside the value, where the value has members: `requests.cpu`, `[1].key`.
    """

    def __init__(self, message: str, remedy: str, field: str = ""):
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field


def inside(path: str, key: str | int) -> str:
    """Return the path of a member: `a` and `b` make `a.b`, `a` and 1 make `a[1]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing in a databag, an option or the cluster that a person has to correct.

    Text from outside in any of the members is made printable and cut to a length for a status.
    """

    app: str
    """The application that sent the data; empty for our own configuration."""
    endpoint: str
    """Our endpoint that the data arrived over, or `config`."""
    field: str
    """The place in the data: `policies[2].endpoints[0].ports[1]`; never a secret value."""
    message: str
    """What is wrong, in a few words."""
    remedy: str
    """What to do, as an instruction: `use a port from 1 to 65535`."""
    code: Code
    """What kind of problem it is: its section of the problems' page."""

    def __post_init__(self) -> None:
        for member in ("app", "endpoint", "field", "message", "remedy"):
            limit = MAX_MESSAGE if member in ("message", "remedy") else MAX_NAME
            msgspec.structs.force_setattr(self, member, printable(getattr(self, member), limit))

    @property
    def where(self) -> str:
        """The place: `app:endpoint field`, without the parts that are empty."""
        origin = ":".join(filter(None, (self.app, self.endpoint)))
        return f"{origin} {self.field}".strip()

    @property
    def data(self) -> dict[str, str]:
        """The problem for programs: the keys of every JSON that has problems."""
        members = msgspec.structs.asdict(self)
        del members["code"]
        return {**members, "where": self.where, **coded(self.code)}

    def __str__(self) -> str:
        """One line for a log: `place: message; remedy`."""
        text = ": ".join(filter(None, (self.where, self.message)))
        return f"{text}; {self.remedy}" if self.remedy else text


def coded(code: Code) -> dict[str, str]:
    """Return a code for programs: its id, severity, and the link to its page."""
    return {"code": code.id, "severity": str(code.severity), "link": code.link}


def bounded(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first problems of each application, so that none hides those of others."""
    counts: dict[str, int] = {}
    kept: list[Problem] = []
    for problem in problems:
        counts[problem.app] = counts.get(problem.app, 0) + 1
        if counts[problem.app] <= MAX_OF_ONE:
            kept.append(problem)
    return kept
