# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, as one page of HTML: an interactive map that loads nothing from a network.

Names and operations come from objects of any owner. They are in the page as JSON only, and its
script makes text of them, never markup. A Content-Security-Policy allows the page's own scripts
and style sheet by their hashes, and nothing else: https://www.w3.org/TR/CSP3/#external-hash.
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_list

LIBRARIES = ("cytoscape.min.js", "dagre.min.js")
"""Of npm, put in `page/libraries` by `tools/page_libraries`."""
SCRIPTS = ("model.js", "layout.js", "drawing.js", "panel.js", "page.js")

# cytoscape.js adds a style sheet of its own, which the policy refuses, where none has this name.
_STYLE_ID = "__________cytoscape_stylesheet"
_IN_SCRIPTS = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_FILES = resources.files("istio_ambient.explain") / "page"


class NotBuiltError(Exception):
    """The page's libraries are not there; the message has the command that fetches them."""


@dataclasses.dataclass(frozen=True)
class Map:
    """What the page shows."""

    model: str
    scope: str
    """The model, or the application, that the list is of."""
    made: str
    """When the cluster was read, as text."""
    hardened: bool
    """Whether the mesh is in hardened mode now."""
    entries_by_mode: Mapping[bool, Sequence[access_list.Entry]]
    """The list with hardened mode's policies (True), and without."""
    not_weighed: Sequence[str] = ()
    """What the list cannot know."""
    about_nodes: str = ""
    """What processes on the nodes may reach beside; empty: no more."""


def data(shown: Map) -> dict[str, Any]:
    """Return the JSON object that the page's script reads.

    `entries` are those of `access_list.data`, of both modes: `hardened` of each says of which.
    """
    return {
        "model": shown.model,
        "scope": shown.scope,
        "made": shown.made,
        "hardened": shown.hardened,
        "notWeighed": list(shown.not_weighed),
        "aboutNodes": shown.about_nodes,
        "words": {**access_list.NAMES, "everything": evaluator.ANY_OPERATION},
        "entries": [
            {**access_list.data(entry), "hardened": mode}
            for mode, entries in shown.entries_by_mode.items()
            for entry in entries
        ],
    }


def html(shown: Map) -> str:
    """Return the page.

    Raises:
        NotBuiltError: its libraries are not there.
    """
    style = _text("page.css")
    own = "\n".join(["(() => {", '"use strict";', *map(_text, SCRIPTS), "})();"])
    scripts = [*(_library(name) for name in LIBRARIES), own]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts, style)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Who may reach whom</title>",
            f'<style id="{_STYLE_ID}">{style}</style>',
            "</head>",
            "<body>",
            _text("page.html"),
            f'<script type="application/json" id="data">{_embedded(data(shown))}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(scripts: Iterable[str], style: str) -> str:
    directives = {
        "default-src": ["'none'"],
        "script-src": map(_hash, scripts),
        "style-src": [_hash(style)],
        "img-src": ["blob:", "data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(" ".join([name, *sources]) for name, sources in directives.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same JSON inside a script element, whatever text is in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(_IN_SCRIPTS.get(character, character) for character in text)


def _library(name: str) -> str:
    file = _FILES / "libraries" / name
    if not file.is_file():
        message = f"html: this charm was built without {name}: run make bootstrap, then make pack"
        raise NotBuiltError(message)
    return _read(file)


def _text(name: str) -> str:
    return _read(_FILES / name)


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
