# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The lists of links in the indexes are the site's table of contents."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS, SITE = ROOT / "docs", ROOT / "build" / "site"
INDEXES = sorted(DOCS.glob("**/index.md"))
_PAGE = re.compile(r"^- \[[^]]+\]\(([^)#]+\.md)\)(.*)$", re.MULTILINE)


def entries(index: Path) -> dict[str, str]:
    """Return the pages that the lists of an index begin their entries with, and what follows."""
    return {
        str((index.parent / path).resolve().relative_to(ROOT)): rest
        for path, rest in _PAGE.findall(index.read_text())
    }


def test_the_navigation_has_each_page_once():
    navigation = re.findall(
        r'<li class="toctree-l\d[^"]*"><a class="[^"]*" href="([^"]+)"',
        (SITE / "index.html").read_text(),
    )
    listed = [page for index in INDEXES for page in entries(index)]
    assert len(navigation) == len(listed) > 50
    assert [page for page, times in Counter(navigation + listed).items() if times > 1] == []


@pytest.mark.parametrize("index", INDEXES, ids=lambda path: str(path.relative_to(DOCS)))
def test_each_entry_says_what_its_page_is_about(index: Path):
    assert [page for page, rest in entries(index).items() if not rest.startswith(": ")] == []
