# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where the pages are that problems and alerts link to."""

BASE = ""
"""What links begin with: the URL at which the sources are published, with a slash at its end.

Empty: they are published nowhere, and links are paths in the sources. Whoever publishes them sets
it before `make pack`; nothing else has to change.
"""
PROBLEMS = "docs/reference/problems.md"
"""The generated page; a code's section is its anchor."""
RUNBOOKS = "docs/reference/runbooks.md"
"""The page with a section for each alert."""


def link(page: str, section: str) -> str:
    """Return the address of a section of a page.

    Args:
        page: its path in the sources.
        section: its heading, one word.
    """
    return f"{BASE}{page}#{section.lower()}"
