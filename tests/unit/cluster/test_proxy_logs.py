# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Which logs are read, within which bounds, and what is said of those that are not."""

import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient import kube
from istio_ambient.authorization import evaluator
from istio_ambient.cluster import proxy_logs
from istio_ambient.explain import access_log, denials
from istio_ambient.explain.directory import ProxyPod

from tests.unit.authorization.evaluator import samples
from tests.unit.explain.test_access_log import WAYPOINT

HOUR = datetime.timedelta(hours=1)
WAY = {"gateway.networking.k8s.io/gateway-name": "way"}


class Logs:
    """A cluster that has logs only; a log that is an error is raised."""

    def __init__(self, logs: Mapping[str, str | Exception]):
        self.logs = logs
        self.queries: list[Mapping[str, str]] = []

    def text(self, path: str, query: Mapping[str, str]) -> str:
        self.queries.append(query)
        found = self.logs[path.split("/")[6]]
        if isinstance(found, Exception):
            raise found
        return found


def pod(name: str, where: str = "shop", node: str = "n1", **labels: str) -> dict[str, Any]:
    found = samples.pod(name, "x", "x", where, labels)
    found["spec"]["nodeName"] = node
    return found


def proxy(name: str) -> ProxyPod:
    return ProxyPod(kube.Ref("v1", "Pod", "shop", name), evaluator.Proxy.WAYPOINT, "shop/way")


def read(logs: Logs, *names: str) -> denials.Logs:
    client: Any = logs
    return proxy_logs.read(client, [proxy(name) for name in names], HOUR)


def test_ztunnels_of_the_nodes_of_the_model_are_read_after_the_waypoint():
    pods = (
        pod("ztunnel-2", "mesh", "n2", app="ztunnel"),
        pod("ztunnel-1", "mesh", "n1", app="ztunnel"),
        pod("ztunnel-3", "mesh", "n3", app="ztunnel"),
        pod("forged", "shop", "n1", app="ztunnel"),
        pod("web-0", node="n1"),
        pod("web-1", node="n1"),
        pod("web-2", node="n2"),
        pod("way-0", node="n2", **WAY),
        pod("way-0", "other", "n2", **WAY),
    )
    snapshot = samples.snapshot(pods=pods, with_waypoint_pods=False)

    def names(*, ztunnel: bool) -> list[tuple[str, str, str]]:
        found = proxy_logs.proxies(snapshot, "shop", "way", ztunnel=ztunnel)
        return [(each.ref.namespace, each.ref.name, str(each.proxy)) for each in found]

    way = ("shop", "way-0", "waypoint")
    assert names(ztunnel=False) == [way]
    assert names(ztunnel=True) == [
        way,
        ("mesh", "ztunnel-1", "ztunnel"),
        ("mesh", "ztunnel-2", "ztunnel"),
    ]


def test_a_log_is_read_within_bounds_and_what_cannot_be_read_is_named():
    logs = Logs({"way-0": f"started\n{WAYPOINT}\n", "way-1": kube.RequestError("read", "away")})
    found = read(logs, "way-0", "way-1")
    assert [each.request.path for each in found.entries] == ["/details/0"]
    assert found.read == 1
    assert found.notes == ("not read: read: away",)
    assert logs.queries[0] == {
        "container": "istio-proxy",
        "sinceSeconds": "3600",
        "tailLines": str(proxy_logs.MAX_LINES),
        "limitBytes": str(proxy_logs.MAX_BYTES),
    }


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proxy_logs, "MAX_LINES", 2)
    monkeypatch.setattr(proxy_logs, "MAX_BYTES", len(WAYPOINT))
    monkeypatch.setattr(proxy_logs, "MAX_PODS", 1)
    other = "[2026-11-26] rbac_access_denied_matched_policy[none]\n"
    logs = Logs({"way-0": f"{WAYPOINT}\n{other}", "way-1": ""})
    assert read(logs, "way-0", "way-1").notes == (
        "Pod shop/way-0: only its last 2 lines",
        f"Pod shop/way-0: its newest lines are beyond {len(WAYPOINT)} bytes; use a smaller since=",
        "not read: 1 more pods; 1 are read at most",
        "1 lines are in another format than Istio's (accessLogFormat)",
    )
    assert len(logs.queries) == 1


HEADER = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=60)
"""What Envoy lets through in a header, and writes to its log as it is."""
FORGED = st.sampled_from(
    [f"x{separator}{WAYPOINT}{separator}" for separator in "\u2028\u2029\x85\x0b\x0c\x1c\x1e"]
)


@given(
    agent=st.one_of(HEADER, FORGED),
    forwarded=st.one_of(HEADER, FORGED),
    path=HEADER.map(lambda text: "/" + text.replace(" ", "")),
)
def test_one_line_is_one_request_with_the_address_that_the_proxy_wrote(
    agent: str, forwarded: str, path: str
):
    line = WAYPOINT.replace("GET /details/0", f"DELETE {path}")
    line = line.replace('"-" "-" "0fb', f'"{forwarded}" "{agent}" "0fb')
    found = read(Logs({"way-0": f"{line}\n{WAYPOINT}\n"}), "way-0")
    assert [each.request.method for each in found.entries] == ["DELETE", "GET"]
    assert {each.request.source_ip for each in found.entries} == {"10.244.128.7"}
    assert found.entries[0].request.path == path
    assert found.entries[0].request.is_forwarded or forwarded == "-"


def test_lines_that_are_too_long_are_counted():
    too_long = WAYPOINT.replace("/details/0", "/" + "x" * access_log.MAX_LINE)
    found = read(Logs({"way-0": f"{too_long}\n{WAYPOINT}\n{too_long}\n"}), "way-0")
    assert len(found.entries) == 1
    assert found.notes == ("not read: 2 lines of more than 16384 characters",)


def test_a_line_without_its_end_is_not_read():
    found = read(Logs({"way-0": f"{WAYPOINT}\n{WAYPOINT}"}), "way-0")
    assert len(found.entries) == 1
