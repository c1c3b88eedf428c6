# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Check that what the documentation points at exists: files, headings and code."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)
QUOTED = re.compile(r"<!-- from (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Return the Markdown files of the project."""
    folders = ("", "charms/*/", "charms/*/terraform/", "docs/**/", "terraform/**/", "tests/**/")
    patterns = [f"{folder}*.md" for folder in folders]
    return sorted(page for pattern in patterns for page in ROOT.glob(pattern))


def anchors(text: str) -> set[str]:
    """Return the fragments that the headings of a page can be reached by."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(FENCE.sub("", text))
    }


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield a line for each relative link of ``page`` without a target."""
    for link in LINK.findall(FENCE.sub("", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: {link}: no such file"
        elif fragment and fragment not in anchors(target.read_text()):
            yield f"{page.relative_to(ROOT)}: {link}: no such heading"


def changed_code(page: Path, text: str) -> Iterator[str]:
    """Yield a line for each block that differs from the file that it is marked with."""
    for name, code in QUOTED.findall(text):
        source = ROOT / name
        if not source.is_file() or code not in source.read_text():
            yield f"{page.relative_to(ROOT)}: not (any more) in {name}: {code.splitlines()[0]}"


def main() -> int:
    """Check every page, print the problems, and return the exit status."""
    checked = pages()
    wrong: list[str] = []
    for page in checked:
        text = page.read_text()
        wrong += [*broken_links(page, text), *changed_code(page, text)]
    print("\n".join([*wrong, f"docs: {len(checked)} pages, {len(wrong)} mistakes"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
