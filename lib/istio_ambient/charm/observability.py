# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""How a charm is observed: metrics-proxy, alert rules, dashboards, and the charm's own traces."""

import logging
from collections.abc import Iterator
from pathlib import Path

import ops

from istio_ambient.charm import _alert_rules
from istio_ambient.interfaces import cos, tracing
from istio_ambient.values.names import model_app_name

logger = logging.getLogger(__name__)

CONTAINER = "metrics-proxy"
METRICS_PORT = 15090
TELEMETRY_VALUE = "aggregated"
ALERT_RULES = "src/prometheus_alert_rules"
DASHBOARDS = "src/grafana_dashboards"
"""Folders of a charm; one that is not there holds nothing."""

METRICS, GRAFANA, TRACING = "metrics-endpoint", "grafana-dashboard", "charm-tracing"
"""Endpoints of every charm; one that has no such endpoint does not take part."""

_CHECK: ops.pebble.CheckDict = {
    "override": "replace",
    "startup": "enabled",
    # Only a check that has failed recovers, and only then does Juju run a hook. So it fails at
    # once: what comes up soon after a hook that found it missing must not be overlooked.
    "period": "3s",
    "timeout": "2s",
    "threshold": 1,
}


def telemetry_label(model: str, app: str) -> dict[str, str]:
    """Return the label of the pods whose metrics the charm's metrics-proxy serves."""
    key = model_app_name(
        model, app, separator=".", prefix="charms.canonical.com/", suffix=".telemetry"
    )
    return {key: TELEMETRY_VALUE}


def metrics_proxy_layer(
    selector: dict[str, str], checks: dict[str, ops.pebble.CheckDict] | None = None
) -> ops.pebble.LayerDict:
    """Return the Pebble layer that runs metrics-proxy for pods with these labels.

    Args:
        selector: labels of the pods to collect metrics from.
        checks: Pebble checks of what can be watched from this container's network.
    """
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    service: ops.pebble.ServiceDict = {
        "override": "replace",
        "summary": "Serves the metrics of the workloads on one port",
        "command": "metrics-proxy",
        "startup": "enabled",
        "environment": {"POD_LABEL_SELECTOR": labels},
    }
    return {"summary": CONTAINER, "services": {CONTAINER: service}, "checks": checks or {}}


def http_check(url: str) -> ops.pebble.CheckDict:
    """Return a Pebble check that a URL is answered with success."""
    return {**_CHECK, "http": {"url": url}}


def tcp_check(host: str, port: int) -> ops.pebble.CheckDict:
    """Return a Pebble check that a port takes connections."""
    return {**_CHECK, "tcp": {"host": host, "port": port}}


def run_metrics_proxy(container: ops.Container, layer: ops.pebble.LayerDict) -> None:
    """Bring the container's plan to the layer; does nothing while Pebble is not there."""
    if not container.can_connect():
        return
    current = container.get_plan().to_dict()
    wanted = {"services": layer.get("services", {}), "checks": layer.get("checks", {})}
    if all(current.get(key, {}) == value for key, value in wanted.items()):
        return
    container.add_layer(CONTAINER, layer, combine=True)
    container.replan()


def topology_of(charm: ops.CharmBase) -> cos.Topology:
    """Return where the charm's metrics come from, in Juju's terms."""
    model = charm.model
    return cos.Topology(model.name, model.uuid, charm.app.name, charm.unit.name, charm.meta.name)


def publish(charm: ops.CharmBase) -> None:
    """Return who is related what to scrape, to alert on and to show; called on every unit."""
    publish_metrics(charm, METRICS)
    if charm.unit.is_leader():
        publish_dashboards(charm, GRAFANA)


def publish_metrics(charm: ops.CharmBase, endpoint: str) -> None:
    """Return Prometheus where each unit serves metrics and, as the leader, what to alert on."""
    model, app = charm.model.name, charm.app.name
    host = f"{charm.unit.name.replace('/', '-')}.{app}-endpoints.{model}.svc.cluster.local"
    for relation in _active(charm, endpoint):
        binding = charm.model.get_binding(relation)
        address = str(binding.network.bind_address or "") if binding else ""
        relation.data[charm.unit].update(
            cos.dump_scrape_unit(unit=charm.unit.name, address=address, fqdn=host)
        )
        if charm.unit.is_leader():
            topology = topology_of(charm)
            files = _texts(charm.charm_dir / ALERT_RULES, "*.yaml")
            rules = _alert_rules.rules_of(topology, files.values()) if files else None
            relation.data[charm.app].update(cos.dump_scrape(topology, METRICS_PORT, rules))


def publish_dashboards(charm: ops.CharmBase, endpoint: str) -> None:
    """Send the charm's dashboards to Grafana; called on the leader."""
    for relation in _active(charm, endpoint):
        texts = _texts(charm.charm_dir / DASHBOARDS, "*.json")
        dashboards = {f"{DASHBOARDS}/{name}": text for name, text in texts.items()}
        relation.data[charm.app].update(cos.dump_dashboards(topology_of(charm), dashboards))


def trace_charm(charm: ops.CharmBase, endpoint: str = TRACING) -> ops.Object | None:
    """Send the charm's own traces to whoever is related; called in the charm's constructor.

    The charm has to keep what this returns, or nothing observes the relation.

    The tracing of ops fails the hook on some of what a databag may hold; it does not get to see
    that, and goes on sending to where it sent before.
    """
    if endpoint not in charm.meta.requires:
        return None
    for relation in _active(charm, endpoint):
        if not tracing.is_readable(dict(relation.data[relation.app])):
            logger.warning("%s: %s sent what cannot be read", endpoint, relation.app.name)
            return None
    return ops.tracing.Tracing(charm, endpoint)


def _active(charm: ops.CharmBase, endpoint: str) -> Iterator[ops.Relation]:
    if endpoint not in charm.meta.relations:
        return iter(())
    return (r for r in charm.model.relations[endpoint] if r.active and r.app)


def _texts(folder: Path, pattern: str) -> dict[str, str]:
    """Return the files of a folder by name, in order."""
    return {path.name: path.read_text() for path in sorted(folder.glob(pattern))}
