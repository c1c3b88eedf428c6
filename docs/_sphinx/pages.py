# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Pages of the site that are files outside of docs/, such as CONTRIBUTING.md."""

from collections.abc import Set

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from docs import conf

OUTSIDE = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "style": "STYLE.md",
    **{
        f"charms/{readme.parent.name}": str(readme.relative_to(conf.ROOT))
        for readme in sorted(conf.ROOT.glob("charms/*/README.md"))
    },
}
"""Names of pages, and their files in the sources. The README's place is taken by docs/index.md."""


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
    for name, path in OUTSIDE.items():
        file = conf.ROOT / path
        project.docnames.add(name)
        project._docname_to_path[name] = file  # pyright: ignore[reportPrivateUsage]
        project._path_to_docname[file] = name  # pyright: ignore[reportPrivateUsage]
    return [*OUTSIDE]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.connect("env-get-outdated", add_pages)
    return {"parallel_read_safe": True}
