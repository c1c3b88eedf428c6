# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Blocks of the documentation that come from a file are still in that file."""

import re

import pytest

from tests.unit.docs.pages import DOCS

_BLOCK = re.compile(r"<!-- from (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    (str(page.relative_to(DOCS)), file, code)
    for page in sorted(DOCS.rglob("*.md"))
    for file, code in _BLOCK.findall(page.read_text())
]


def test_there_are_such_blocks():
    marked = sum(page.read_text().count("<!-- from ") for page in DOCS.rglob("*.md"))
    assert len(BLOCKS) == marked > 0


@pytest.mark.parametrize(("page", "file", "code"), BLOCKS, ids=lambda text: text.split("\n")[0])
def test_a_block_is_in_its_file(page: str, file: str, code: str):
    assert code in (DOCS.parent / file).read_text(), page
