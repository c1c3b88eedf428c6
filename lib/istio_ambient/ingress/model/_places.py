# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where requesters are served, as an annotation of the Gateway.

Routes are deleted while they are withheld. The annotation stays, so that nobody takes the place of
an application meanwhile.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from istio_ambient.values import decoded

SERVED = "charmed-istio/served"
"""Annotation of our Gateway: a JSON object from each requester, `<application>:<endpoint>`, to a
list of `[<port>, <hostname>, <type of path>, <path>]`."""
MAX_BYTES = 192 * 1024
"""Of the annotation; the API server takes 256 KiB of annotations of one object."""


class Place(NamedTuple):
    """Where a requester is served."""

    requester: str
    """`<application>:<endpoint>`."""
    port: int
    hostname: str
    """Of the route; empty: those of the listener."""
    path_type: str
    path: str


def dump_places(places: Iterable[Place]) -> str:
    """Return the annotation; empty where there are no places.

    Where there is too much for one object, the applications with the most text are left out.
    """
    by_app: dict[str, dict[str, list[tuple[int, str, str, str]]]] = {}
    for requester, *place in sorted(places):
        app = requester.partition(":")[0]
        port, hostname, path_type, path = place
        listed = by_app.setdefault(app, {}).setdefault(requester, [])
        listed.append((int(port), str(hostname), str(path_type), str(path)))
    # Without the braces around it.
    texts = sorted((_text(each)[1:-1] for each in by_app.values()), key=lambda t: (len(t), t))
    kept: list[str] = []
    left = MAX_BYTES - len("{}")
    for text in texts:
        left -= len(text) + len(",")
        if left >= 0:
            kept.append(text)
    return f"{{{','.join(sorted(kept))}}}" if kept else ""


def parse_places(text: str) -> frozenset[Place]:
    """Return the places of an annotation; what cannot be read of it counts as nothing."""
    found = decoded.members(decoded.json_value(text))
    return frozenset(
        place for requester, listed in found.items() for place in _places(requester, listed)
    )


def _places(requester: str, listed: object) -> Iterator[Place]:
    for each in decoded.elements(listed):
        match each:
            case [int(port), str(hostname), str(path_type), str(path)]:
                yield Place(requester, port, hostname, path_type, path)
            case _:
                pass


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
