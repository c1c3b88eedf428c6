# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a charm sends to observability: metrics, alert rules, dashboards, and its own traces."""

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
"""Folders of a charm; a charm without one sends nothing of the kind."""

METRICS, GRAFANA, TRACING = "metrics-endpoint", "grafana-dashboard", "charm-tracing"
"""Endpoints of every charm; a charm without one does not take part in it."""

_CHECK: ops.pebble.CheckDict = {
    "override": "replace",
    "startup": "enabled",
    # Juju runs a hook (pebble-check-recovered) only for a check that had failed. One failure is
    # enough, so that a workload that starts just after a hook saw it missing sends an event too.
    "period": "3s",
    "timeout": "2s",
    "threshold": 1,
}


def telemetry_label(model: str, app: str) -> dict[str, str]:
    """Return the label of the pods whose metrics the charm's metrics-proxy collects.

    The key is that of the public charms: `charms.canonical.com/<model>.<app>.telemetry`, cut with
    a hash where it is longer than a label's name may be.
    """
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
    """Return a Pebble check that succeeds while a GET of the URL returns a 2xx status."""
    return {**_CHECK, "http": {"url": url}}


def tcp_check(host: str, port: int) -> ops.pebble.CheckDict:
    """Return a Pebble check that succeeds while a TCP port accepts connections."""
    return {**_CHECK, "tcp": {"host": host, "port": port}}


def run_metrics_proxy(container: ops.Container, layer: ops.pebble.LayerDict) -> None:
    """Replan the container with the layer where its plan differs.

    Does nothing while Pebble cannot be reached: Juju sends pebble-ready then.
    """
    if not container.can_connect():
        return
    current = container.get_plan().to_dict()
    desired = {"services": layer.get("services", {}), "checks": layer.get("checks", {})}
    if all(current.get(key, {}) == value for key, value in desired.items()):
        return
    container.add_layer(CONTAINER, layer, combine=True)
    container.replan()


def _topology_of(charm: ops.CharmBase) -> cos.Topology:
    """Return the Juju topology of the charm's metrics: model, application, unit and charm."""
    model = charm.model
    return cos.Topology(model.name, model.uuid, charm.app.name, charm.unit.name, charm.meta.name)


def publish(charm: ops.CharmBase) -> None:
    """Publish metrics, alert rules and dashboards to the related charms; called on every unit."""
    _publish_metrics(charm)
    if charm.unit.is_leader():
        _publish_dashboards(charm)


def _publish_metrics(charm: ops.CharmBase) -> None:
    """Publish the scrape address of the unit; as the leader, also the scrape job and alerts."""
    model, app = charm.model.name, charm.app.name
    host = f"{charm.unit.name.replace('/', '-')}.{app}-endpoints.{model}.svc.cluster.local"
    for relation in _active(charm, METRICS):
        binding = charm.model.get_binding(relation)
        address = str(binding.network.bind_address or "") if binding else ""
        unit = cos.dump_scrape_unit(unit=charm.unit.name, address=address, fqdn=host)
        relation.data[charm.unit].update(unit)
        if charm.unit.is_leader():
            topology = _topology_of(charm)
            files = _texts(charm.charm_dir / ALERT_RULES, "*.yaml")
            rules = _alert_rules.rules_of(topology, files.values()) if files else None
            relation.data[charm.app].update(cos.dump_scrape(topology, METRICS_PORT, rules))


def _publish_dashboards(charm: ops.CharmBase) -> None:
    """Publish the charm's dashboards to Grafana; called on the leader."""
    for relation in _active(charm, GRAFANA):
        texts = _texts(charm.charm_dir / DASHBOARDS, "*.json")
        dashboards = {f"{DASHBOARDS}/{name}": text for name, text in texts.items()}
        relation.data[charm.app].update(cos.dump_dashboards(_topology_of(charm), dashboards))


def trace_charm(charm: ops.CharmBase, endpoint: str = TRACING) -> ops.Object | None:
    """Send the charm's own traces to the related collector; called in the charm's constructor.

    `ops.tracing.Tracing` raises in the hook for a databag that it cannot parse. It is not made
    then, and traces go where they went before.

    Returns:
        The observer of the relation, which the charm has to keep a reference to; None without
        the endpoint, or with an unreadable databag.
    """
    if endpoint not in charm.meta.requires:
        return None
    for relation in _active(charm, endpoint):
        if not tracing.is_readable(dict(relation.data[relation.app])):
            logger.warning("%s: the databag of %s is unreadable", endpoint, relation.app.name)
            return None
    return ops.tracing.Tracing(charm, endpoint)


def _active(charm: ops.CharmBase, endpoint: str) -> Iterator[ops.Relation]:
    if endpoint not in charm.meta.relations:
        return iter(())
    return (r for r in charm.model.relations[endpoint] if r.active and r.app)


def _texts(folder: Path, pattern: str) -> dict[str, str]:
    """Return the text of a folder's files by name, sorted."""
    return {path.name: path.read_text() for path in sorted(folder.glob(pattern))}
