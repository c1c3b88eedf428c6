# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded answers of istiod, see samples/README.md, and reports made of them."""

import datetime
from pathlib import Path

from istio_ambient import acceptance

FOLDER = Path(__file__).parent / "samples"
SENT = datetime.datetime(2026, 11, 26, 4, 6, tzinfo=datetime.UTC)
"""Before anything in the answers was sent."""
LATER = datetime.datetime(2026, 11, 26, 4, 10, tzinfo=datetime.UTC)
"""Minutes after that."""

WAYPOINT = acceptance.Workload("waypoint", "shop-istio-beacon-k8s-waypoint", "shop", replicas=1)
GATEWAY = acceptance.Workload("gateway", "istio-ingress-k8s-istio", "shop", replicas=1)


def text(name: str) -> str:
    """Return a recorded answer."""
    return (FOLDER / f"{name}.json").read_text()


def report(name: str = "healthy", now: datetime.datetime = LATER) -> acceptance.Report:
    """Return the report of an istiod with a recorded answer about its proxies."""
    proxies = acceptance.read_proxies(text(name))
    assert proxies is not None
    config = acceptance.read_mesh_config(text("mesh"))
    return acceptance.Report("10.244.0.2", now=now, mesh_config=config, proxies=proxies)
