# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `grafana_dashboard` interface, provider side: dashboards for Grafana.

The provider's application databag holds `dashboards`: JSON of `templates`, each dashboard
compressed with LZMA and encoded in base64, and a `uuid` that changes when they do.
"""

import json
import uuid
from collections.abc import Mapping

from cosl import DashboardPath40UID, LZMABase64

from istio_ambient.interfaces import prometheus_scrape


def dump(topology: prometheus_scrape.Topology, dashboards: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's application databag: the same for the same dashboards.

    Args:
        topology: where the metrics come from; Grafana's charm adds variables to choose by it.
        dashboards: JSON text of each dashboard, by its path in the charm.
    """
    names = {path: path.rpartition("/")[2].partition(".")[0] for path in sorted(dashboards)}
    templates = {
        f"file:{names[path]}": {
            "charm": topology.charm_name,
            "content": LZMABase64.compress(dashboards[path]),
            "juju_topology": {
                "model": topology.model,
                "model_uuid": topology.model_uuid,
                "application": topology.application,
                "unit": topology.unit,
            },
            "inject_dropdowns": True,
            "dashboard_alt_uid": DashboardPath40UID.generate(topology.charm_name, path),
        }
        for path in names
    }
    content = json.dumps(templates, sort_keys=True)
    stored = {"templates": templates, "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, content))}
    return {"dashboards": json.dumps(stored, sort_keys=True)}
