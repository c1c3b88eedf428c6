# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a scenario is, and how one is left out."""

import dataclasses
from collections.abc import Callable

from tests.scenarios.backend import Need
from tests.scenarios.site import Site


class SkippedError(Exception):
    """A part of a scenario did not run, because the backend has not what it needs."""

    def __init__(self, needs: frozenset[Need], reason: str):
        super().__init__(reason)
        self.needs = needs


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One thing that users do, on a site that the scenarios before it leave as they found it."""

    name: str
    """As a sentence, for the report."""
    run: Callable[[Site], None]
    """Raises AssertionError where something is not as users expect."""
    needs: frozenset[Need] = frozenset()
    """What the whole scenario needs; parts of it may need more."""

    def __call__(self, site: Site) -> None:
        """Run it.

        Raises:
            AssertionError: something is not as users expect.
            SkippedError: the backend cannot carry all of it; everything else went well.
        """
        for need in sorted(self.needs):
            if reason := site.backend.missing(need):
                raise SkippedError(frozenset({need}), reason)
        self.run(site)
