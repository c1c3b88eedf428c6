# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What of a cluster decides who may talk to whom."""

import dataclasses
from collections.abc import Mapping
from typing import Any

Manifest = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The live objects that verdicts are read from, each in JSON form as the API server has it."""

    root_namespace: str
    """Istio's root namespace, where policies are about the whole mesh."""
    auto_allow: bool = False
    """Whether istiod runs with PILOT_AUTO_ALLOW_WAYPOINT_POLICY."""
    namespaces: tuple[Manifest, ...] = ()
    services: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    gateways: tuple[Manifest, ...] = ()
    """Gateways of the Gateway API; one without an address in its status is no waypoint yet."""
    policies: tuple[Manifest, ...] = ()
    """AuthorizationPolicies of all namespaces."""
    authorizers: frozenset[str] | None = None
    """Names of the extension providers in the mesh config; None: not known. What a CUSTOM policy
    sends to one that is not there is denied."""
