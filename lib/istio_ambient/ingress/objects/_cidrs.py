# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The networks of allowed clients; with an invalid entry, no client is added."""

from istio_ambient.values import networks
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

OPTION = "external-traffic-policy-cidrs"
_SHOWN = 3


def parse_cidrs(text: str) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return the IP networks of a comma-separated list.

    Args:
        text: such as `203.0.113.0/24, 2001:db8::/32`; empty: no client is allowed.

    Returns:
        The networks in canonical form, sorted, and one problem that names the invalid entries.
        With a problem there are no networks: part of a list of allowed clients is another list.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    found = [(entry, networks.network(entry)) for entry in entries]
    bad = [entry for entry, network in found if network is None]
    if bad:
        return (), (_problem(bad),)
    return tuple(sorted({network for _, network in found if network})), ()


def _problem(bad: list[str]) -> Problem:
    shown = ", ".join(f"'{entry[:43]}'" for entry in bad[:_SHOWN])
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return Problem(
        app="",
        endpoint="config",
        field=OPTION,
        message=f"not a network: {shown}{more}; clients allowed before still are, no others",
        remedy="use networks such as 203.0.113.0/24 or 2001:db8::/32, comma-separated",
        code=Code.INVALID_CLIENT_NETWORKS,
    )
