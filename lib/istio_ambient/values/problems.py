# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with data from outside, as a value.

Parsing foreign data never raises: it returns what is good, and a `Problem` for each part that
is not. The unit status shows the first of them, actions show all.
"""

import dataclasses

from istio_ambient.values.text import printable

_MAX_FIELD = 120
_MAX_MESSAGE = 300


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One thing that somebody has to put right.

    Foreign text in any of the members is made printable and cut to a length fit for a status.
    """

    app: str
    """The application that sent the data; empty for our own configuration."""
    endpoint: str
    """Our endpoint that the data came in by, or `config`."""
    field: str
    """Where in the data: `policies[2].endpoints[0].ports[1]`; never a value that may be secret."""
    message: str
    """What is wrong, short."""
    remedy: str
    """What to do, as an instruction: `use a port from 1 to 65535`."""

    def __post_init__(self) -> None:
        for name, limit in (
            ("app", _MAX_FIELD),
            ("endpoint", _MAX_FIELD),
            ("field", _MAX_FIELD),
            ("message", _MAX_MESSAGE),
            ("remedy", _MAX_MESSAGE),
        ):
            object.__setattr__(self, name, printable(getattr(self, name), limit))

    def __str__(self) -> str:
        """One line for a status: `app:endpoint field: message; remedy`."""
        origin = f"{self.app}:{self.endpoint}" if self.app else self.endpoint
        place = f"{origin} {self.field}" if self.field else origin
        return (
            f"{place}: {self.message}; {self.remedy}"
            if self.remedy
            else f"{place}: {self.message}"
        )
