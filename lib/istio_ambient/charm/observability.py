# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a charm sends to observability: metrics, alert rules, dashboards, and its own traces."""

import logging
from pathlib import Path

import ops

from istio_ambient.charm import _alert_rules
from istio_ambient.charm.relations import Relations
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


def publish(charm: ops.CharmBase, relations: Relations) -> None:
    """Publish metrics, alert rules and dashboards, and send traces; called on every unit."""
    _send_traces(charm, relations)
    _publish_metrics(charm, relations)
    if charm.unit.is_leader():
        _publish_dashboards(charm, relations)


def _publish_metrics(charm: ops.CharmBase, relations: Relations) -> None:
    """Publish the scrape address of the unit; as the leader, also the scrape job and alerts."""
    model, app = charm.model.name, charm.app.name
    host = f"{charm.unit.name.replace('/', '-')}.{app}-endpoints.{model}.svc.cluster.local"
    for relation in relations.of(METRICS):
        # A unit without an address is not scraped.
        address = relations.bind_address(relation) or host
        unit = cos.dump_scrape_unit(unit=charm.unit.name, address=address, fqdn=host)
        relations.write(relation, charm.unit, unit)
        if charm.unit.is_leader():
            topology = _topology_of(charm)
            files = _texts(charm.charm_dir / ALERT_RULES, "*.yaml")
            rules = _alert_rules.rules_of(topology, files.values()) if files else None
            relations.write(relation, charm.app, cos.dump_scrape(topology, METRICS_PORT, rules))


def _publish_dashboards(charm: ops.CharmBase, relations: Relations) -> None:
    """Publish the charm's dashboards to Grafana; called on the leader."""
    for relation in relations.of(GRAFANA):
        texts = _texts(charm.charm_dir / DASHBOARDS, "*.json")
        dashboards = {f"{DASHBOARDS}/{name}": text for name, text in texts.items()}
        relations.write(relation, charm.app, cos.dump_dashboards(_topology_of(charm), dashboards))


def _send_traces(charm: ops.CharmBase, relations: Relations) -> None:
    """Send the charm's own traces to the related collector; without one they stay in the unit.

    With an invalid or unreadable answer they go where they went before.
    """
    receiver = ""
    for relation in relations.of(TRACING):
        if charm.unit.is_leader():
            relations.write(relation, charm.app, tracing.request("otlp_http"))
        app, databag = relation.app.name, relations.databag(relation)
        receiver, problems = tracing.parse_url(databag or {}, app=app, endpoint=TRACING)
        for problem in problems:
            logger.warning("%s", problem)
        if databag is None or problems:
            return
    # The path is that of the protocol: the OTLP specification, section "OTLP/HTTP Request".
    ops.tracing.set_destination(url=f"{receiver}/v1/traces" if receiver else None, ca=None)


def _texts(folder: Path, pattern: str) -> dict[str, str]:
    """Return the text of a folder's files by name, sorted."""
    return {path.name: path.read_text() for path in sorted(folder.glob(pattern))}
