# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What several applications share of something limited: none of them takes the others' part."""

import itertools
from collections.abc import Collection, Mapping

Address = tuple[str, int]
"""Host and port."""


def in_turn(entries_by_owner: Mapping[str, Collection[Address]], limit: int) -> list[Address]:
    """Return one entry of each owner, then another of each, until there are enough.

    Args:
        entries_by_owner: of each application.
        limit: the number of entries that are returned at most; each is returned once.

    Returns:
        The entries, sorted.
    """
    columns = [sorted(entries_by_owner[owner]) for owner in sorted(entries_by_owner)]
    rows = itertools.zip_longest(*columns)
    found = dict.fromkeys(each for row in rows for each in row if each is not None)
    return sorted(itertools.islice(found, limit))
