# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where the pages are that problems and alerts link to."""

import posixpath
import re

SITE = "https://charmed-istio.readthedocs.io/en/latest"
"""The address of the pages, below `links.documentation` of each `charmcraft.yaml`."""
IS_PUBLISHED = False
"""Whether the pages are there. Until they are, links are paths in the sources.

An address at which nothing is published leads nowhere, or to the pages of whoever takes it first.
Whoever publishes the site sets both before `make pack`; nothing else has to change.
"""
PROBLEMS = "reference/problems"
"""The generated page; a code's section is its anchor."""
RUNBOOKS = "reference/runbooks"
"""The page with a section for each alert."""

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)\.md(#[^)]+)?\)")


def link(page: str, section: str, *, is_published: bool = IS_PUBLISHED) -> str:
    """Return the address of a section of a page, or its path in the sources.

    Args:
        page: its path below `docs/`, without the ending.
        section: its heading, one word.
        is_published: whether there is a site with the page.
    """
    return f"{_place(page, is_published)}#{section.lower()}"


def as_text(markdown: str, *, is_published: bool = IS_PUBLISHED) -> str:
    """Return sentences of a page below `docs/reference/` for those who read them elsewhere.

    Args:
        markdown: in which the place of each link is a path from that page.
        is_published: as for `link`.
    """

    def replaced(found: re.Match[str]) -> str:
        title, path, section = found.groups(default="")
        page = posixpath.normpath(posixpath.join("reference", path))
        return f"{title} ({_place(page, is_published)}{section})"

    return _LINK.sub(replaced, markdown)


def _place(page: str, is_published: bool) -> str:
    return f"{SITE}/{page}.html" if is_published else source(page)


def source(page: str) -> str:
    """Return the path of a page in the sources."""
    return f"docs/{page}.md"
