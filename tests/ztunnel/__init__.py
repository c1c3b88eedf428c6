# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where the lab gets its ztunnel program from; nothing in this repository builds one.

Only the standard library: the lookup runs, and is tested, without the lab's own requirements.
What runs the program is `tests.lab`.
"""

from tests.ztunnel._image import IMAGE, Image, Limits
from tests.ztunnel._lookup import (
    Missing,
    Program,
    ProgramError,
    find,
    how_to_get,
    named,
    variables,
)

__all__ = [
    "IMAGE",
    "Image",
    "Limits",
    "Missing",
    "Program",
    "ProgramError",
    "find",
    "how_to_get",
    "named",
    "variables",
]
