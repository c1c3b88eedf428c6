# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop: its charm in Juju's simulation, and its program on loopback."""

import http.client
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import ops
import pytest
import yaml
from ops import testing

CHARM = Path(__file__).resolve().parents[3] / "examples" / "bookshop"
META: dict[str, Any] = yaml.safe_load((CHARM / "charmcraft.yaml").read_text())
PEBBLE = testing.Container("bookshop", can_connect=True)
MODEL = testing.Model("shop", uuid="8d2c3f2e-5f0c-4d0e-8a53-0e6d7a3c9b11")


def load(name: str) -> ModuleType:
    """Import a module of the charm, with the charm's own modules importable as in its archive."""
    spec = importlib.util.spec_from_file_location(f"bookshop_{name}", CHARM / "src" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(CHARM / "src"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(CHARM / "src"))
    return module


charm = load("charm")
program = load("bookshop")


def context(app: str = "details") -> testing.Context[ops.CharmBase]:
    return testing.Context(charm.BookshopCharm, meta=META, app_name=app, charm_root=CHARM)


def state(role: str, *relations: testing.Relation, **more: Any) -> testing.State:
    containers = more.pop("containers", [PEBBLE])
    return testing.State(
        config={"role": role},
        relations=relations,
        containers=containers,
        leader=True,
        model=MODEL,
        **more,
    )


def relation(endpoint: str, interface: str, app: str, **data: str) -> testing.Relation:
    return testing.Relation(endpoint, interface, remote_app_name=app, remote_app_data=data)


def backend(role: str) -> testing.Relation:
    return relation("backends", "bookshop", role, role=role, url=f"http://{role}:9080")


def environment(after: testing.State) -> dict[str, str]:
    service = after.get_container("bookshop").plan.services["bookshop"]
    return service.environment


def policies(role: str, *relations: testing.Relation) -> list[dict[str, Any]]:
    """Return the access that an application in a role requests for its relations."""
    mesh = relation("service-mesh", "service_mesh", "istio-beacon-k8s")
    tested = context()
    after = tested.run(tested.on.config_changed(), state(role, mesh, *relations))
    return json.loads(after.get_relation(mesh.id).local_app_data["policies"])


# The charm


def test_pebble_runs_the_program_that_the_charm_brings():
    tested = context()
    after = tested.run(tested.on.pebble_ready(PEBBLE), state("details"))
    container = after.get_container("bookshop")
    installed = container.get_filesystem(tested) / "opt" / "bookshop" / "bookshop.py"
    assert installed.read_text() == (CHARM / "src" / "bookshop.py").read_text()
    service = container.plan.services["bookshop"]
    assert service.command == "python3 -u /opt/bookshop/bookshop.py serve"
    assert container.service_statuses["bookshop"] is ops.pebble.ServiceStatus.ACTIVE
    assert after.opened_ports == {testing.TCPPort(9080)}
    assert after.unit_status == testing.ActiveStatus()


def test_the_program_knows_its_role_and_whom_it_calls():
    tested = context("productpage")
    related = state("productpage", backend("details"), backend("reviews"))
    after = tested.run(tested.on.pebble_ready(PEBBLE), related)
    assert environment(after) == {
        "APP": "productpage",
        "ROLE": "productpage",
        "BACKENDS": '{"details": "http://details:9080", "reviews": "http://reviews:9080"}',
    }
    assert after.unit_status == testing.ActiveStatus("calls details, reviews")


def test_a_backend_that_left_is_no_longer_called():
    tested = context("reviews")
    leaving = backend("ratings")
    after = tested.run(tested.on.relation_broken(leaving), state("reviews", leaving))
    assert environment(after)["BACKENDS"] == "{}"


def test_callers_get_the_role_and_the_url():
    tested = context()
    caller = relation("api", "bookshop", "productpage")
    after = tested.run(tested.on.relation_created(caller), state("details", caller))
    assert after.get_relation(caller.id).local_app_data == {
        "role": "details",
        "url": "http://details.shop.svc.cluster.local:9080",
    }


@pytest.mark.parametrize(
    ("role", "operations"),
    [
        ("productpage", None),
        ("details", {"methods": ["GET"], "paths": ["/health", "/details/*"]}),
        ("reviews", {"methods": None, "paths": None}),
        ("ratings", {"methods": ["GET"], "paths": ["/ratings/*"]}),
    ],
)
def test_each_role_requests_the_access_of_its_callers(
    role: str, operations: dict[str, Any] | None
):
    requested = policies(role, relation("api", "bookshop", "caller"))
    expected = operations and [{"hosts": None, "ports": [9080], **operations}]
    assert [policy["endpoints"] for policy in requested] == ([expected] if expected else [])


def test_scrapers_get_the_targets_and_access_to_the_pods():
    scraper = relation("metrics-endpoint", "prometheus_scrape", "prometheus")
    (policy,) = policies("productpage", scraper)
    assert (policy["target_type"], policy["source_app_name"]) == ("unit", "prometheus")
    tested = context("productpage")
    after = tested.run(tested.on.relation_created(scraper), state("productpage", scraper))
    data = after.get_relation(scraper.id)
    assert isinstance(data, testing.Relation)
    assert json.loads(data.local_app_data["scrape_jobs"]) == [
        {"metrics_path": "/metrics", "static_configs": [{"targets": ["*:9080"]}]}
    ]
    host = "productpage-0.productpage-endpoints.shop.svc.cluster.local"
    assert data.local_unit_data["prometheus_scrape_unit_address"] == host


def test_the_ingress_is_asked_for_paths_without_prefix():
    requested = relation("ingress", "ingress", "istio-ingress-k8s")
    tested = context("productpage")
    after = tested.run(tested.on.relation_created(requested), state("productpage", requested))
    assert after.get_relation(requested.id).local_app_data == {
        "model": '"shop"',
        "name": '"productpage"',
        "port": "9080",
        "strip-prefix": "true",
    }


def test_an_unknown_role_blocks():
    tested = context()
    after = tested.run(tested.on.config_changed(), state("detail"))
    assert after.unit_status == testing.BlockedStatus(
        "option role is one of productpage, details, reviews, ratings"
    )


@pytest.mark.parametrize(
    ("answer", "results"),
    [
        ({"status": 403, "body": "denied"}, {"status": 403, "body": "denied"}),
        ({"status": 200, "body": {"a": 1}}, {"status": 200, "body": '{\n  "a": 1\n}'}),
        ({"status": None, "error": "timed out"}, {"status": "none", "error": "timed out"}),
    ],
)
def test_request_runs_in_the_workloads_container(answer: dict[str, Any], results: dict[str, Any]):
    url = "http://details:9080/details/0"
    command = ["python3", "/opt/bookshop/bookshop.py", "request", "POST", url]
    container = testing.Container(
        "bookshop",
        can_connect=True,
        execs={testing.Exec(command, stdout=json.dumps(answer))},
    )
    tested = context("productpage")
    request = tested.on.action("request", params={"url": url, "method": "POST"})
    tested.run(request, state("productpage", containers=[container]))
    assert tested.action_results == results


def test_request_fails_where_there_is_no_container():
    tested = context("productpage")
    request = tested.on.action("request", params={"url": "http://details:9080/"})
    with pytest.raises(testing.ActionFailed, match="the request could not be sent"):
        tested.run(request, state("productpage", containers=[testing.Container("bookshop")]))


# The program


@contextmanager
def serving(role: str, **backends: str) -> Generator[str]:
    """Run the program's server in a role; return its URL."""
    server = program.Server(("127.0.0.1", 0), role, role, backends)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_productpage_shows_what_the_others_answered():
    with (
        serving("ratings") as ratings,
        serving("reviews", ratings=ratings) as reviews,
        serving("details") as details,
        serving("productpage", details=details, reviews=reviews) as productpage,
    ):
        page = program.send("GET", f"{productpage}/")
    assert page["status"] == 200
    body = page["body"]
    assert (body["app"], body["path"]) == ("productpage", "/")
    assert body["details"]["body"]["title"] == "The Comedy of Errors"
    assert body["reviews"]["body"]["ratings"]["body"]["stars"] == 5


def test_the_productpage_shows_what_it_did_not_get():
    with (
        serving("ratings") as elsewhere,
        serving("productpage", details=elsewhere) as productpage,
    ):
        body = program.send("GET", f"{productpage}/")["body"]
    assert body["details"]["status"] == 404
    assert body["reviews"] == {"status": None, "error": "not integrated"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/details/0", 200),
        ("GET", "/details/1?full=1", 200),
        ("HEAD", "/details/0", 200),
        ("GET", "/health", 200),
        ("GET", "/details/9", 404),
        ("GET", "/details", 404),
        ("GET", "/ratings/0", 404),
        ("GET", "/admin", 404),
        ("POST", "/details/0", 405),
        ("DELETE", "/details/0", 405),
    ],
)
def test_details_answers(method: str, path: str, status: int):
    with serving("details") as url:
        assert program.send(method, url + path)["status"] == status


def test_the_tutorial_shows_the_answer_of_details():
    page = (CHARM.parents[1] / "docs" / "tutorial" / "first-mesh.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(body: .*?)^```", page, re.MULTILINE | re.DOTALL)
    with serving("details") as url:
        answer = program.send("GET", f"{url}/details/0")
    answer["body"]["pod"] = "details-0"
    results = {"body": json.dumps(answer["body"], indent=2), "status": str(answer["status"])}
    assert yaml.safe_load(shown) == results


@pytest.mark.parametrize("length", ["-1", "x", "3000000000", "65537"])
def test_a_body_that_is_too_large_or_of_no_length_is_not_waited_for(length: str):
    with serving("details") as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.putrequest("POST", "/details/0")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == 400


def test_metrics_count_the_answers():
    with serving("details") as url:
        program.send("GET", f"{url}/details/0")
        program.send("POST", f"{url}/details/0")
        text = program.send("GET", f"{url}/metrics")["body"]
    assert text.splitlines()[1:] == [
        'bookshop_requests_total{method="GET",status="200"} 1',
        'bookshop_requests_total{method="POST",status="405"} 1',
    ]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://127.0.0.1:1/", "no url", "http://["]
)
def test_what_gets_no_answer_has_no_status(url: str):
    answer = program.send("GET", url)
    assert answer["status"] is None
    assert answer["error"]


def test_the_program_prints_an_answer_as_json():
    with serving("details") as url:
        command = [
            sys.executable,
            CHARM / "src" / "bookshop.py",
            "request",
            "GET",
            f"{url}/health",
        ]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answer = json.loads(printed)
    assert (answer["status"], answer["body"]["healthy"]) == (200, True)
