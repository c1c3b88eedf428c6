# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A real Juju as a backend of the scenarios, through the fixture `ops_test` of pytest-operator.

pytest-operator makes and destroys the models, and python-libjuju waits for them. Everything else
is done with the `juju` client, in the words that the documentation has.
"""

import asyncio
import json
import os
import secrets
import shlex
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import lightkube
from lightkube.resources.core_v1 import Pod

from tests.eventually import eventually
from tests.integration import charms
from tests.scenarios import backend
from tests.scenarios.backend import Need, Response, Value

T = TypeVar("T")
VERDICT_SECONDS = 90.0
ACTIVE_SECONDS = 1200.0
IDLE_SECONDS = 10.0
"""The time in which no unit ran a hook, after which a change counts as carried out."""
GONE_SECONDS = 600.0
POLL_SECONDS = 3.0
REQUEST_SECONDS = 10.0
WAIT = ("--wait", "5m")
"""Actions wait for the hooks of their unit."""


class LibjujuModel(Protocol):
    """What is used of `juju.model.Model`."""

    async def wait_for_idle(
        self,
        apps: list[str],
        *,
        status: str,
        timeout: float,
        idle_period: float,
    ) -> None: ...


class OpsTest(Protocol):
    """What is used of `pytest_operator.plugin.OpsTest`."""

    async def track_model(self, alias: str, *, model_name: str) -> LibjujuModel: ...

    async def juju(self, *args: str) -> tuple[int | None, str, str]: ...


class Loop:
    """Carries out coroutines for steps that are no coroutines themselves."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any]):
        self._run = run

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the coroutine's result."""
        found: T = self._run(coroutine)
        return found

    def apart(self, function: Callable[[], T]) -> T:
        """Call a function that blocks, while connections to Juju are kept alive."""
        return self.result(asyncio.to_thread(function))


class Client:
    """The `juju` client."""

    def __init__(self, ops_test: OpsTest, loop: Loop):
        self.ops_test = ops_test
        self.loop = loop

    def __call__(self, *args: str) -> str:
        """Run a command; return what it prints.

        Raises:
            AssertionError: it fails.
        """
        status, output, errors = self.loop.result(self.ops_test.juju(*args))
        assert status == 0, f"juju {' '.join(args)}: exit status {status}\n{output}\n{errors}"
        return output

    def task(self, *args: str) -> dict[str, Any]:
        """Run `juju run` or `juju exec` on one unit; return the results.

        Raises:
            AssertionError: the task fails.
        """
        tasks: dict[str, dict[str, Any]] = json.loads(self(*args))
        (task,) = tasks.values()
        results: dict[str, Any] = task.get("results") or {}
        failed = task["status"] != "completed" or results.get("return-code", 0) != 0
        assert not failed, f"juju {' '.join(args)}: {task}"
        return results


class JujuModel:
    """A model that pytest-operator made."""

    def __init__(self, juju: Client, name: str, libjuju: LibjujuModel):
        self._juju = juju
        self._name = name
        self._libjuju = libjuju

    @property
    def name(self) -> str:
        """The model's name, which is its namespace's."""
        return self._name

    def deploy(
        self,
        charm: str,
        app: str | None = None,
        config: Mapping[str, Value] | None = None,
        public: bool = False,
    ) -> None:
        """See `Model.deploy`."""
        ours = charms.folder(charm) is not None and not public
        source = charms.packed(charm) if ours else charms.published(charm)
        options = [word for option in _words(config or {}) for word in ("--config", option)]
        self._run(
            "deploy", source.charm, app or charm, "--trust", *source.deploy_arguments(), *options
        )

    def refresh(self, app: str) -> None:
        """See `Model.refresh`."""
        self._run("refresh", app, *charms.packed(app).refresh_arguments())

    def config(self, app: str, options: Mapping[str, Value]) -> None:
        """See `Model.config`."""
        self._run("config", app, *_words(options))

    def scale(self, app: str, units: int) -> None:
        """See `Model.scale`."""
        self._run("scale-application", app, str(units))

    def integrate(self, left: str, right: str) -> None:
        """See `Model.integrate`."""
        self._run("integrate", left, right)

    def remove_relation(self, left: str, right: str) -> None:
        """See `Model.remove_relation`."""
        self._run("remove-relation", left, right)

    def consume(self, owner: backend.Model, app: str, *endpoints: str) -> None:
        """See `Model.consume`."""
        self._juju("offer", f"{owner.name}.{app}:{','.join(endpoints)}", app)
        self._run("consume", self._offer(owner, app), app)

    def withdraw(self, owner: backend.Model, app: str) -> None:
        """See `Model.withdraw`."""
        self._run("remove-saas", app)
        self._juju("remove-offer", "--yes", "--force", self._offer(owner, app))

    def _offer(self, owner: backend.Model, app: str) -> str:
        user: str = json.loads(self._juju("whoami", "--format", "json"))["user"]
        return f"{user}/{owner.name}.{app}"

    def run(self, unit: str, action: str, params: Mapping[str, Value]) -> Mapping[str, Any]:
        """See `Model.run`."""
        return self._juju.task(
            "run", "--model", self.name, "--format", "json", *WAIT, unit, action, *_words(params)
        )

    def execute(self, unit: str, *command: str) -> str:
        """Run a command beside a unit's charm; return what it prints."""
        words = ("exec", "--model", self.name, "--format", "json", *WAIT, "--unit", unit, "--")
        return str(self._juju.task(*words, shlex.join(command)).get("stdout", ""))

    def wait_active(self, *apps: str) -> None:
        """See `Model.wait_active`."""
        self._juju.loop.result(
            self._libjuju.wait_for_idle(
                list(apps or self._applications()),
                status="active",
                timeout=ACTIVE_SECONDS,
                idle_period=IDLE_SECONDS,
            )
        )

    def remove(self, *apps: str) -> None:
        """See `Model.remove`."""
        self._run("remove-application", "--no-prompt", "--destroy-storage", *apps)
        self._juju.loop.result(asyncio.wait_for(self._gone(frozenset(apps)), GONE_SECONDS))

    async def _gone(self, apps: frozenset[str]) -> None:
        arguments = ("status", "--model", self.name, "--format", "json")
        while True:
            _, output, _ = await self._juju.ops_test.juju(*arguments)
            if output and apps.isdisjoint(json.loads(output)["applications"]):
                return
            await asyncio.sleep(POLL_SECONDS)

    def _applications(self) -> list[str]:
        status = json.loads(self._run("status", "--format", "json"))
        return list(status["applications"])

    def _run(self, command: str, *args: str) -> str:
        return self._juju(command, "--model", self.name, *args)


class JujuBackend:
    """A controller on a Kubernetes cloud with a load balancer.

    Args:
        ops_test: the fixture of pytest-operator.
        run: runs a coroutine on the fixture's event loop.
        kubeconfig: an administrator's, of the cloud's cluster.
    """

    client_networks = "0.0.0.0/0"

    def __init__(
        self,
        ops_test: OpsTest,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        kubeconfig: Path,
    ):
        self._loop = Loop(run)
        self._juju = Client(ops_test, self._loop)
        self._models: dict[str, JujuModel] = {}
        self.kubeconfig = kubeconfig
        self.client = lightkube.Client(config=lightkube.KubeConfig.from_file(kubeconfig))

    def model(self, name: str) -> JujuModel:
        """See `Backend.model`."""
        full = f"{name}-{secrets.token_hex(2)}"
        libjuju = self._loop.result(self._juju.ops_test.track_model(full, model_name=full))
        model = JujuModel(self._juju, full, libjuju)
        self._models[full] = model
        return model

    def wait_until(self, condition: Callable[[], T], patience: float = 1.0) -> T:
        """See `Backend.wait_until`."""
        seconds = patience * VERDICT_SECONDS
        return eventually(condition, seconds, interval=POLL_SECONDS, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        """Wait, while connections to Juju are kept alive."""
        self._loop.result(asyncio.sleep(seconds))

    def missing(self, need: Need) -> str | None:
        """See `Backend.missing`."""
        return backend.MISSING["juju"].get(need)

    def request(
        self,
        source: str,
        target: str,
        port: int,
        method: str = "GET",
        path: str = "/",
        past_waypoint: bool = False,
    ) -> Response:
        """See `Backend.request`: the bookshop's action sends it from the workload's container."""
        model, _, app = source.partition("/")
        namespace, _, name = target.partition("/")
        host = f"{name}.{namespace}.svc.cluster.local"
        if past_waypoint:
            host = self._pod_address(namespace, name)
        params: dict[str, Value] = {"method": method, "url": f"http://{host}:{port}{path}"}
        answer = self._models[model].run(f"{app}/leader", "request", params)
        status = str(answer["status"])
        return Response(int(status) if status.isdigit() else None, str(answer.get("body", "")))

    def request_outside(
        self, url: str, source: str, method: str = "GET", roots: str | None = None
    ) -> Response:
        """See `Backend.request_outside`: this machine is the client."""
        return self._loop.apart(lambda: send(url, method, roots))

    def scraped(self, scraper: str, model: backend.Model, app: str) -> int:
        """See `Backend.scraped`: Prometheus itself is asked."""
        query = urllib.parse.quote(f'up{{juju_application="{app}"}}')
        url = f"http://localhost:9090/api/v1/query?query={query}"
        program = f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())"
        found = self._models[model.name].execute(f"{scraper}/leader", "python3", "-c", program)
        results: list[dict[str, Any]] = json.loads(found)["data"]["result"]
        return sum(result["value"][1] == "1" for result in results)

    def _pod_address(self, namespace: str, app: str) -> str:
        # As untyped as lightkube's lists by label are.
        client: Any = self.client
        labels = {"app.kubernetes.io/name": app}
        pods = list(client.list(Pod, namespace=namespace, labels=labels))
        assert pods, f"no pod of {app} in {namespace}"
        return str(pods[0].status.podIP)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def send(url: str, method: str = "GET", roots: str | None = None) -> Response:
    """Send a request from this machine, past any proxy; see `Backend.request_outside`."""
    context = ssl.create_default_context(cadata=roots or "")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=context),
        _NoRedirect,
    )
    try:
        request = urllib.request.Request(url, method=method)  # noqa: S310  (the ingress's URL)
        with opener.open(request, timeout=REQUEST_SECONDS) as answer:
            return Response(answer.status, answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as refused:
        return Response(refused.code, refused.read().decode(errors="replace"))
    except OSError:
        return Response(None)


def kubeconfig() -> Path:
    """Return the file that kubectl reads."""
    named = os.environ.get("KUBECONFIG")
    return Path(named) if named else Path.home() / ".kube" / "config"


def _words(values: Mapping[str, Value]) -> list[str]:
    """Return options or parameters as the client takes them."""
    return [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
    ]
