# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Configuration of the documentation's site: `make docs` builds it with Sphinx."""

import os
import sys
from pathlib import Path

import yaml
from pygments.lexers.shell import BashLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
PROJECT = yaml.safe_load((ROOT / "charms" / "istio-k8s" / "charmcraft.yaml").read_text())
SOURCES: str = PROJECT["links"]["source"]
"""Where files that are no pages are linked to."""
sys.path[:0] = [str(ROOT), str(ROOT / "lib")]

project = "Charmed Istio"
author = "The Charmed Istio authors"
project_copyright = f"2026 {author}"

extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "docs._sphinx.pages",
    "docs._sphinx.links",
    "docs._sphinx.contents",
    "docs._sphinx.pictures",
]
exclude_patterns = ["_*"]
# Lists to check, and anchors, are those of GitHub, where the pages are read too.
myst_enable_extensions = ["tasklist"]
myst_heading_anchors = 6
myst_fence_as_directive = ["mermaid"]
# Every link has a target.
nitpicky = True

html_theme = "furo"
html_title = "Charmed Istio"
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_logo = html_favicon = "../charms/istio-k8s/icon.svg"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_sphinx/static", "../build/page/node_modules/@mermaid-js/tiny/dist"]
html_css_files = ["site.css"]


def setup(app: Sphinx) -> None:
    """Highlight commands without a prompt; Sphinx would take them for output."""
    app.add_lexer("console", BashLexer)
