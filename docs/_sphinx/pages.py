# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Pages of the site that are files outside of docs/, such as CONTRIBUTING.md."""

from collections.abc import Set
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from docs import conf

PATTERNS = (
    "*.md",
    "charms/*/README.md",
    "charms/*/terraform/README.md",
    "examples/*/README.md",
    "terraform/**/README.md",
)
UNLISTED = ("readme", "examples/", "terraform/examples/")
"""What the names of pages begin with that no index has: other pages link to them."""


def name(file: Path) -> str:
    """Return the name of a file's page: that of the folder, for the README of a folder."""
    path = file.relative_to(conf.ROOT).with_suffix("")
    in_folder = len(path.parts) > 1
    return str(path.parent if in_folder else path).lower()


OUTSIDE = {name(file): file for pattern in PATTERNS for file in sorted(conf.ROOT.glob(pattern))}
"""Files in the sources by the names of their pages."""


def add_pages(
    _app: Sphinx,
    environment: BuildEnvironment,
    _added: Set[str],
    _changed: Set[str],
    _removed: Set[str],
) -> list[str]:
    """Add the pages to those that Sphinx found in docs/, and return their names.

    Sphinx resolves links in a page from the folder of its file, so those of these pages need
    nothing else.
    """
    project = environment.project
    project.docnames.update(OUTSIDE)
    for page, file in OUTSIDE.items():
        project._docname_to_path[page] = file  # pyright: ignore[reportPrivateUsage]
        project._path_to_docname[file] = page  # pyright: ignore[reportPrivateUsage]
    return [*OUTSIDE]


def except_from_lists(app: Sphinx, _document: nodes.document) -> None:
    """Mark a page that no index has to have."""
    page = app.env.docname
    if page.startswith(UNLISTED):
        app.env.metadata[page]["orphan"] = "True"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.connect("env-get-outdated", add_pages)
    app.connect("doctree-read", except_from_lists)
    return {"parallel_read_safe": True}
