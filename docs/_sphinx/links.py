# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Links to what is no page of the site: files and folders of the sources."""

import os
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata

from docs import conf

BRANCH = os.environ.get("READTHEDOCS_GIT_IDENTIFIER", "main")
"""The version of the sources that links lead to: on Read the Docs, the one that is built."""


class SourceLinks(SphinxTransform):
    """Replace each link to a file or folder of the sources with its published address."""

    default_priority = 200

    def apply(self) -> None:
        """Replace them in one page."""
        kinds = (addnodes.pending_xref, addnodes.download_reference)
        links = [node for node in self.document.findall(nodes.Element) if isinstance(node, kinds)]
        for link in links:
            path, _, section = link["reftarget"].partition("#")
            if link.get("refdomain") == "doc":  # another Markdown file
                if path in self.env.found_docs:
                    continue
                path, section = f"{path}.md", link["reftargetid"] or ""
            file = Path(self.env.doc2path(self.env.docname)).parent / path
            if address := source_address(file, section):
                link.replace_self(nodes.reference("", "", *link.children, refuri=address))


def source_address(file: Path, section: str) -> str | None:
    """Return the published address of a file or folder of the sources, if there is such a file."""
    file = Path(os.path.normpath(file))
    if not file.exists() or not file.is_relative_to(conf.ROOT):
        return None
    kind = "tree" if file.is_dir() else "blob"
    address = f"{conf.SOURCES}/{kind}/{BRANCH}/{file.relative_to(conf.ROOT)}"
    return f"{address}#{section}" if section else address


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.add_transform(SourceLinks)
    return {"parallel_read_safe": True}
