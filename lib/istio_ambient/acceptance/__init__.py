# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether istiod and the proxies took what was written: their reports, and what follows. Pure.

The API server accepts objects that istiod drops and that Envoy refuses. istiod reports the mesh
config that it uses, and what each proxy acknowledged, in its debug interface on port 15014.
`cluster.acceptance` asks; see docs/explanation/acceptance.md.
"""

from istio_ambient.acceptance._marker import MARKER_PREFIX, marked, marker_in
from istio_ambient.acceptance._policies import (
    Enforcement,
    enforcements,
    has_conditions,
    is_settled,
    policy_findings,
    provider_findings,
    table,
)
from istio_ambient.acceptance._proxies import (
    Workload,
    authors,
    essence,
    proxy_findings,
    refusals,
    texts,
    ztunnel_findings,
)
from istio_ambient.acceptance._reports import (
    Acknowledgement,
    MeshConfig,
    Proxy,
    Report,
    read_mesh_config,
    read_proxies,
)
from istio_ambient.acceptance._routes import GATEWAY_CONTROLLER, has_seen_any, route_findings
from istio_ambient.acceptance._verdicts import (
    ISTIOD,
    Finding,
    is_dropped,
    is_in_use,
    istiod_findings,
    mesh_findings,
    needs_another_look,
)

__all__ = [
    "GATEWAY_CONTROLLER",
    "ISTIOD",
    "MARKER_PREFIX",
    "Acknowledgement",
    "Enforcement",
    "Finding",
    "MeshConfig",
    "Proxy",
    "Report",
    "Workload",
    "authors",
    "enforcements",
    "essence",
    "has_conditions",
    "has_seen_any",
    "is_dropped",
    "is_in_use",
    "is_settled",
    "istiod_findings",
    "marked",
    "marker_in",
    "mesh_findings",
    "needs_another_look",
    "policy_findings",
    "provider_findings",
    "proxy_findings",
    "read_mesh_config",
    "read_proxies",
    "refusals",
    "route_findings",
    "table",
    "texts",
    "ztunnel_findings",
]
