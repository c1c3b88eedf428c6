# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures in Mermaid's language, drawn by the reader's browser with scripts of the site."""

import html

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

SCRIPTS = ("mermaid.tiny.js", "pictures.js")
"""Mermaid, which `tools/page_libraries` fetches, and what calls it."""


class Picture(SphinxDirective):
    """A block of code in the language `mermaid`, which GitHub draws too."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the block as text, which is what a browser without scripts shows."""
        text = html.escape("\n".join(self.content))
        return [nodes.raw("", f'<pre class="mermaid">{text}</pre>', format="html")]


def add_scripts(
    app: Sphinx, _page: str, _template: str, context: dict[str, object], _tree: object
) -> None:
    """Add the scripts to a page that has pictures."""
    if '<pre class="mermaid">' in str(context.get("body", "")):
        for script in SCRIPTS:
            app.add_js_file(script, loading_method="defer")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.add_directive("mermaid", Picture)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True}
