# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that the scenarios give a real Juju, and what is made of its answers."""

import asyncio
import http.server
import json
import platform
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration import backend, charms
from tests.scenarios.backend import Need

KUBECONFIG: dict[str, Any] = {
    "clusters": [{"name": "one", "cluster": {"server": "http://192.0.2.1"}}],
    "users": [{"name": "admin", "user": {}}],
    "contexts": [{"name": "one", "context": {"cluster": "one", "user": "admin"}}],
    "current-context": "one",
}
Answer = str | tuple[int, str]


class FakeModel:
    """A model of python-libjuju."""

    def __init__(self) -> None:
        self.waits: list[tuple[list[str], str]] = []

    async def wait_for_idle(
        self, apps: list[str], *, status: str, timeout: float, idle_period: float
    ) -> None:
        assert timeout > idle_period > 0
        self.waits.append((apps, status))


class FakeOpsTest:
    """Records the commands; answers those of a kind with the next of its answers."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.answers: dict[str, list[Answer]] = {}
        self.models: dict[str, FakeModel] = {}

    async def track_model(self, alias: str, *, model_name: str) -> FakeModel:
        assert alias == model_name
        return self.models.setdefault(alias, FakeModel())

    async def juju(self, *args: str) -> tuple[int | None, str, str]:
        self.commands.append(list(args))
        waiting = self.answers.get(args[0], [])
        answer = waiting.pop(0) if waiting else ""
        status, output = answer if isinstance(answer, tuple) else (0, answer)
        return status, output, "" if status == 0 else "ERROR refused"

    @property
    def last(self) -> str:
        """The last command."""
        return " ".join(self.commands[-1])


@pytest.fixture
def ops_test() -> FakeOpsTest:
    return FakeOpsTest()


@pytest.fixture
def juju(
    ops_test: FakeOpsTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[backend.JujuBackend]:
    """The backend; each charm of the repository is packed for this machine."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG))
    monkeypatch.setattr(charms, "BUILD", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name in ("istio-k8s", "bookshop"):
        for architecture in ("amd64", "arm64"):
            (tmp_path / f"{name}_ubuntu@24.04-{architecture}.charm").touch()
    with asyncio.Runner() as runner:
        yield backend.JujuBackend(ops_test, runner.run, kubeconfig)


@pytest.fixture
def shop(juju: backend.JujuBackend) -> backend.JujuModel:
    return juju.model("shop")


def task(results: dict[str, Any], status: str = "completed") -> str:
    return json.dumps({"web/0": {"id": "2", "status": status, "results": results}})


def test_each_model_gets_a_name_of_its_own(juju: backend.JujuBackend, ops_test: FakeOpsTest):
    names = {juju.model("shop").name for _ in range(3)}
    assert len(names) == 3
    assert set(ops_test.models) == names
    assert all(name.startswith("shop-") for name in names)


def test_charms_of_this_repository_are_deployed_as_files_with_their_images(
    shop: backend.JujuModel, ops_test: FakeOpsTest, tmp_path: Path
):
    shop.deploy("bookshop", "details", {"role": "details"})
    image = yaml.safe_load((charms.ROOT / "examples/bookshop/charmcraft.yaml").read_text())
    image = image["resources"]["bookshop-image"]["upstream-source"]
    assert ops_test.last == (
        f"deploy --model {shop.name} {tmp_path}/bookshop_ubuntu@24.04-amd64.charm details --trust"
        f" --resource bookshop-image={image} --config role=details"
    )


def test_a_charm_that_was_not_packed_says_how_to_pack_it(shop: backend.JujuModel):
    with pytest.raises(FileNotFoundError, match="run make pack first"):
        shop.deploy("istio-beacon-k8s")


def test_published_charms_are_deployed_from_their_channel(
    shop: backend.JujuModel, ops_test: FakeOpsTest
):
    shop.deploy("istio-k8s", public=True)
    assert ops_test.last.endswith("istio-k8s istio-k8s --trust --channel 2/edge")
    shop.deploy("self-signed-certificates")
    assert ops_test.last.endswith("self-signed-certificates --trust --channel 1/stable")


def test_a_refresh_takes_the_packed_file_and_its_base(
    shop: backend.JujuModel, ops_test: FakeOpsTest, tmp_path: Path
):
    shop.refresh("istio-k8s")
    path = f"{tmp_path}/istio-k8s_ubuntu@24.04-amd64.charm"
    words = f"refresh --model {shop.name} istio-k8s --path {path} --base ubuntu@24.04 --resource "
    assert ops_test.last.startswith(words + "metrics-proxy-image=docker.io/")


STEPS: list[tuple[Callable[[backend.JujuModel], None], str]] = [
    (lambda m: m.config("web", {"on": True, "size": 2}), "config {m} web on=true size=2"),
    (lambda m: m.scale("web", 3), "scale-application {m} web 3"),
    (lambda m: m.integrate("a:x", "b:y"), "integrate {m} a:x b:y"),
    (lambda m: m.remove_relation("a:x", "b:y"), "remove-relation {m} a:x b:y"),
]


@pytest.mark.parametrize(("step", "command"), STEPS)
def test_verbs_are_commands(
    shop: backend.JujuModel,
    ops_test: FakeOpsTest,
    step: Callable[[backend.JujuModel], None],
    command: str,
):
    step(shop)
    assert ops_test.last == command.format(m=f"--model {shop.name}")


def test_endpoints_of_another_model_are_offered_and_consumed_by_their_url(
    juju: backend.JujuBackend, shop: backend.JujuModel, ops_test: FakeOpsTest
):
    guest = juju.model("guest")
    ops_test.answers["whoami"] = [json.dumps({"user": "admin"})] * 2
    guest.consume(shop, "details", "api", "provide-cmr-mesh")
    offer, _, consume = (" ".join(command) for command in ops_test.commands)
    assert offer == f"offer {shop.name}.details:api,provide-cmr-mesh details"
    assert consume == f"consume --model {guest.name} admin/{shop.name}.details details"
    guest.withdraw(shop, "details")
    assert ops_test.last == f"remove-offer --yes --force admin/{shop.name}.details"
    assert ["remove-saas", "--model", guest.name, "details"] in ops_test.commands


def test_a_command_that_fails_ends_the_scenario(shop: backend.JujuModel, ops_test: FakeOpsTest):
    ops_test.answers["integrate"] = [(1, "")]
    with pytest.raises(AssertionError, match="ERROR refused"):
        shop.integrate("a", "b")


@pytest.mark.parametrize(
    ("results", "status"), [({}, "failed"), ({"return-code": 1}, "completed")]
)
def test_an_action_that_fails_ends_the_scenario(
    shop: backend.JujuModel, ops_test: FakeOpsTest, results: dict[str, Any], status: str
):
    ops_test.answers["run"] = [task(results, status)]
    with pytest.raises(AssertionError, match="web/0 reconcile"):
        shop.run("web/0", "reconcile", {})


def test_removal_waits_until_juju_lists_the_application_no_more(
    shop: backend.JujuModel, ops_test: FakeOpsTest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "POLL_SECONDS", 0)
    dying, gone = '{"applications": {"web": {}, "db": {}}}', '{"applications": {"db": {}}}'
    ops_test.answers["status"] = ["", dying, gone, "not asked"]
    shop.remove("web")
    assert ops_test.answers["status"] == ["not asked"]
    removal = f"remove-application --model {shop.name} --no-prompt --destroy-storage web"
    assert " ".join(ops_test.commands[0]) == removal


def test_all_applications_or_those_named_are_waited_for(
    shop: backend.JujuModel, ops_test: FakeOpsTest
):
    ops_test.answers["status"] = [json.dumps({"applications": {"web": {}, "db": {}}})]
    shop.wait_active()
    shop.wait_active("web")
    waits = ops_test.models[shop.name].waits
    assert waits == [(["web", "db"], "active"), (["web"], "active")]


def test_requests_are_the_application_s_own(
    juju: backend.JujuBackend, shop: backend.JujuModel, ops_test: FakeOpsTest
):
    ops_test.answers["run"] = [
        task({"status": "200", "body": '{"app": "details"}'}),
        task({"status": "none", "error": "connection reset"}),
    ]
    source, target = f"{shop.name}/productpage", f"{shop.name}/details"
    answer = juju.request(source, target, 9080, "POST", "/details/0")
    assert (answer.status, answer.json()) == (200, {"app": "details"})
    url = f"http://details.{shop.name}.svc.cluster.local:9080/details/0"
    assert ops_test.last.endswith(f"productpage/leader request method=POST url={url}")
    assert juju.request(source, target, 9080).status is None


def test_prometheus_is_asked_for_the_targets_that_are_up(
    juju: backend.JujuBackend, shop: backend.JujuModel, ops_test: FakeOpsTest
):
    def answer(*values: str) -> str:
        results = [{"value": [1.0, value]} for value in values]
        return task({"stdout": json.dumps({"data": {"result": results}}), "return-code": 0})

    ops_test.answers["exec"] = [answer("1", "0", "1"), answer()]
    assert juju.scraped("prometheus", shop, "web") == 2
    assert "up%7Bjuju_application%3D%22web%22%7D" in ops_test.last
    assert juju.scraped("prometheus", shop, "web") == 0


def test_what_the_backend_lacks_has_a_reason(juju: backend.JujuBackend):
    assert juju.missing(Need.CLIENT_ADDRESSES)
    assert juju.missing(Need.ZTUNNEL) is None
    assert juju.missing(Need.PUBLIC_CHARMS) is None


class _Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/ok": 200, "/old": 301, "/closed": 403}[self.path]
        self.send_response(status)
        if status == 301:
            self.send_header("location", "/ok")
        self.end_headers()
        self.wfile.write(b"answer")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_requests_from_outside_report_what_the_gateway_says():
    server = http.server.HTTPServer(("127.0.0.1", 0), _Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    found = {path: backend.send(url + path).status for path in ("/ok", "/old", "/closed")}
    server.shutdown()
    server.server_close()
    assert found == {"/ok": 200, "/old": 301, "/closed": 403}
    assert backend.send(url + "/ok").status is None
