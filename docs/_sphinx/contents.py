# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The order of the site's pages: the lists of links in the pages named index.md.

The list that readers see, on the site and on GitHub, is the only one. Sphinx warns of a page that
no list has.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata


class Contents(SphinxTransform):
    """Add a hidden table of contents to an index: the first link of each entry of its lists."""

    default_priority = 210

    def apply(self) -> None:
        """Add it to one page."""
        if self.env.docname.rpartition("/")[2] != "index":
            return
        entries = self.document.findall(nodes.list_item)
        links = [next(iter(entry.findall(addnodes.pending_xref)), None) for entry in entries]
        pages = [
            link["reftarget"]
            for link in links
            if link and link["refdomain"] == "doc" and not link["reftargetid"]
        ]
        contents = addnodes.toctree(
            parent=self.env.docname,
            entries=[(None, page) for page in pages],
            includefiles=pages,
            rawentries=[],
            maxdepth=-1,
            caption=None,
            glob=False,
            hidden=True,
            includehidden=False,
            numbered=0,
            titlesonly=True,
        )
        next(iter(self.document.findall(nodes.section))).append(contents)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.add_transform(Contents)
    return {"parallel_read_safe": True}
