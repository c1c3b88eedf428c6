# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a charm sends to observability: metrics, alert rules, dashboards, and its own traces."""

import hashlib
import itertools
import logging
from collections.abc import Collection, Mapping, Sequence
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

_WATCH = "watch-"
"""Start of the names of checks whose addresses differ from hook to hook."""
_RETRY = "retry-"
"""Start of the names of checks that fail after some time, so that Juju runs a hook."""
_RETRIES = (1, 4, 16)
"""How often each of them fails before it does, with 10 seconds from one to the next."""
_NOWHERE = "http://127.0.0.1:1"
"""Refuses connections at once."""
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
    if all(value.items() <= current.get(key, {}).items() for key, value in desired.items()):
        return
    container.add_layer(CONTAINER, layer, combine=True)
    container.replan()


def watch(container: ops.Container, addresses: Sequence[tuple[str, int]]) -> None:
    """Try to connect to these hosts and ports, and to no others that were watched before.

    Each is a Pebble check: Juju runs a hook as soon as one that has failed succeeds. One whose
    address stays is left alone, since another one starts anew.

    Args:
        container: runs the checks. Where its pod is on the mesh, ztunnel accepts connections to
            all ports of a Service, so only Services that are missing are noticed there.
        addresses: host and port of each.
    """
    if not container.can_connect():
        return
    before = _checks(container, _WATCH)
    kept = {
        name: each
        for name, each in before.items()
        if each.get("startup") == "enabled" and _address(each) in addresses
    }
    watched = [_address(each) for each in kept.values()]
    names = (name for name in map(_WATCH.__add__, map(str, itertools.count())) if name not in kept)
    new = {next(names): tcp_check(*address) for address in addresses if address not in watched}
    _run_checks(container, before, {**kept, **new})


def retry(container: ops.Container, awaited: Collection[str]) -> None:
    """Let Juju run a hook 10, 40 and 160 seconds after something began to be waited for.

    These are Pebble checks that never succeed: nothing listens at their address, and each fails
    once, when its threshold is reached. They start anew as soon as something else is waited for,
    and are stopped when nothing is. A wait that lasts longer is left to update-status.

    Args:
        container: runs the checks.
        awaited: names of what is waited for, which are the same as long as the wait is.
    """
    if not container.can_connect():
        return
    digest = hashlib.sha256("\n".join(sorted(awaited)).encode()).hexdigest()[:16]
    check: ops.pebble.CheckDict = {**http_check(f"{_NOWHERE}/{digest}"), "period": "10s"}
    wanted: dict[str, ops.pebble.CheckDict] = {
        f"{_RETRY}{10 * failures}s": {**check, "threshold": failures} for failures in _RETRIES
    }
    _run_checks(container, _checks(container, _RETRY), wanted if awaited else {})


def _checks(container: ops.Container, prefix: str) -> dict[str, ops.pebble.CheckDict]:
    checks = container.get_plan().to_dict().get("checks", {})
    return {name: each for name, each in checks.items() if name.startswith(prefix)}


def _run_checks(
    container: ops.Container,
    before: Mapping[str, ops.pebble.CheckDict],
    wanted: Mapping[str, ops.pebble.CheckDict],
) -> None:
    """Run the wanted checks, and stop the others. Those that are as they were go on.

    Pebble removes no check of a layer, so the others are disabled, and used again. One that runs
    is not stopped by that (Pebble's `CheckManager.PlanChanged`).
    """
    idle: dict[str, ops.pebble.CheckDict] = {
        name: {**each, "startup": "disabled"}
        for name, each in before.items()
        if name not in wanted
    }
    changed = {name: each for name, each in {**wanted, **idle}.items() if each != before.get(name)}
    if changed:
        container.add_layer(CONTAINER, {"checks": changed}, combine=True)
        container.replan()
    stopped = sorted(changed.keys() & idle.keys())
    if stopped:
        container.stop_checks(*stopped)


def _address(check: ops.pebble.CheckDict) -> tuple[str, int]:
    tcp = check.get("tcp") or {}
    return tcp.get("host", ""), tcp.get("port", 0)


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
