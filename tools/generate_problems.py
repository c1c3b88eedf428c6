# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Write the page of all problems from the table of their codes.

python -m tools.generate_problems            # write docs/reference/problems.md
python -m tools.generate_problems --check    # exit 1 when the file differs
"""

import sys
from collections.abc import Iterator

from istio_ambient.values import documentation
from istio_ambient.values.problem_codes import Code

from tools import generated_page

TARGET = generated_page.ROOT / documentation.source(documentation.PROBLEMS)
FIRST_LINE = "<!-- Generated from lib/istio_ambient/values/problem_codes.py: make generate -->"
AREAS = {
    1: "The API server and objects in the cluster",
    101: "Options",
    201: "Relations and their databags",
    301: "Access requests",
    401: "Routes and the ingress gateway",
    501: "The gateway's certificate",
    601: "The control plane and its preflight",
    701: "What istiod and the proxies accept",
    801: "Login and tokens",
}
"""Headings by the first number of their codes."""
_INTRODUCTION = """\
# Problems

Every problem has a code. It is in the unit's status, in the log, and in the results of actions.
How a status is read, and where the rest of it is: [Read a status](../how-to/read-a-status.md).

An *error* keeps something from being done until an operator acts; the status is *blocked*. A
*warning* is waited for, and the status is *waiting*; where the wait has a beginning, it is
*blocked* after `ready-timeout`."""


def page() -> str:
    """Return the page."""
    return "\n\n".join((FIRST_LINE, _INTRODUCTION, *_sections())) + "\n"


def _sections() -> Iterator[str]:
    for code in sorted(Code):
        if code.value.number in AREAS:
            yield f"## {AREAS[code.value.number]}"
        yield f"### {code.id}"
        yield f"**{code.title[0].upper()}{code.title[1:]}** ({code.severity})"
        yield code.value.cause
        yield f"*What to do:* {code.value.remedy}"


def main() -> int:
    """Run the command; return its exit status."""
    return generated_page.run(TARGET, page(), "codes", __doc__)


if __name__ == "__main__":
    sys.exit(main())
