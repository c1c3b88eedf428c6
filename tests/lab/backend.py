# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab as a backend of the scenarios: the controller that `tests.lab.juju` plays."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from istio_ambient.charm import observability
from lightkube.resources.core_v1 import Pod

from tests import lab
from tests.lab import juju
from tests.scenarios.backend import MISSING as MISSING_BY_BACKEND
from tests.scenarios.backend import Model, Need, Response, Value

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).parent / "apps"
FOLDERS = {"self-signed-certificates": APPS / "certifier", "prometheus-k8s": APPS / "prometheus"}
"""Charms in place of published ones, with the same endpoints and actions."""
VERDICT_SECONDS = 30.0
MISSING = MISSING_BY_BACKEND["lab"]


class NewModel(Protocol):
    """Creates a model of the lab."""

    def __call__(self, name: str, *, controller: juju.Controller) -> juju.Model: ...


def folder(charm: str) -> Path:
    """Return the folder of a charm."""
    found = (FOLDERS.get(charm), ROOT / "charms" / charm, ROOT / "examples" / charm)
    return next(each for each in found if each and each.is_dir())


class LabModel:
    """A model of the lab, with the verbs of the scenarios."""

    def __init__(self, cluster: lab.Cluster, model: juju.Model):
        self.juju = model
        self._cluster = cluster
        self._consumed: dict[str, LabModel] = {}

    @property
    def name(self) -> str:
        """The model's name, which is its namespace's."""
        return self.juju.name

    def deploy(
        self,
        charm: str,
        app: str | None = None,
        config: Mapping[str, Value] | None = None,
        public: bool = False,
    ) -> None:
        """See `Model.deploy`."""
        if public:
            raise juju.JujuError(MISSING[Need.PUBLIC_CHARMS])
        self.juju.deploy(folder(charm), app or charm, config=dict(config or {}))

    def refresh(self, app: str) -> None:
        """See `Model.refresh`."""
        self.juju.refresh(app)

    def config(self, app: str, options: Mapping[str, Value]) -> None:
        """See `Model.config`."""
        self.juju.config(app, **options)

    def scale(self, app: str, units: int) -> None:
        """See `Model.scale`."""
        more = units - len(self.juju.app(app).living)
        if more > 0:
            self.juju.add_unit(app, more)
        elif more < 0:
            self.juju.remove_unit(app, -more)

    def integrate(self, left: str, right: str) -> None:
        """See `Model.integrate`."""
        self.juju.integrate(left, self._offer(right) or right)

    def remove_relation(self, left: str, right: str) -> None:
        """See `Model.remove_relation`."""
        self.juju.remove_relation(left, self._offer(right) or right)

    def consume(self, owner: Model, app: str, *endpoints: str) -> None:
        """See `Model.consume`."""
        assert isinstance(owner, LabModel)
        for endpoint in endpoints:
            owner.juju.offer(f"{app}:{endpoint}")
        self._consumed[app] = owner

    def withdraw(self, owner: Model, app: str) -> None:
        """See `Model.withdraw`."""
        del self._consumed[app]

    def run(self, unit: str, action: str, params: Mapping[str, Value]) -> Mapping[str, Any]:
        """See `Model.run`."""
        return self.juju.run(unit, action, **params)

    def wait_active(self, *apps: str) -> None:
        """See `Model.wait_active`."""
        self.juju.wait_active(*apps)
        self._cluster.wait_synced()

    def remove(self, *apps: str) -> None:
        """See `Model.remove`."""
        for app in apps:
            self.juju.remove(app)
        self.juju.settle()

    def _offer(self, end: str) -> juju.Offer | None:
        app, _, _ = end.partition(":")
        owner = self._consumed.get(app)
        return owner.juju.offer(end) if owner else None


class LabBackend:
    """One controller on the lab's cluster.

    Args:
        cluster: the lab's.
        new_model: creates a model, and destroys it at the end.
    """

    client_networks = "192.0.2.0/24"

    def __init__(self, cluster: lab.Cluster, new_model: NewModel):
        self.cluster = cluster
        self.kubeconfig = cluster.kubeconfig
        self.client = cluster.client
        self._new_model = new_model
        self._controller = juju.Controller()
        self.models: list[LabModel] = []
        """All models, the oldest first."""

    def model(self, name: str) -> LabModel:
        """See `Backend.model`."""
        model = LabModel(self.cluster, self._new_model(name, controller=self._controller))
        self.models.append(model)
        return model

    def wait_until(self, condition: Callable[[], T], patience: float = 1.0) -> T:
        """See `Backend.wait_until`."""
        return lab.eventually(condition, timeout=patience * VERDICT_SECONDS)

    def missing(self, need: Need) -> str | None:
        """See `Backend.missing`."""
        if need is Need.ZTUNNEL and self.cluster.has_ztunnel:
            return None
        return MISSING.get(need)

    def request(
        self,
        source: str,
        target: str,
        port: int,
        method: str = "GET",
        path: str = "/",
        past_waypoint: bool = False,
    ) -> Response:
        """See `Backend.request`."""
        via = "pod" if past_waypoint else None
        return _response(
            self.cluster.request(
                source=source, service=f"{target}:{port}", method=method, path=path, via=via
            )
        )

    def request_outside(
        self, url: str, source: str, method: str = "GET", roots: str | None = None
    ) -> Response:
        """See `Backend.request_outside`."""
        return _response(
            self.cluster.request_outside(url, source_ip=source, method=method, roots=roots)
        )

    def scraped(self, scraper: str, model: Model, app: str) -> int:
        """See `Backend.scraped`: the lab asks the pods itself, as metrics-proxy does."""
        assert isinstance(model, LabModel)
        assert model.juju.databag(f"{app}:metrics-endpoint", remote=scraper)["scrape_jobs"]
        labels = observability.telemetry_label(model.name, app)
        # As untyped as lightkube's lists by label are.
        client: Any = self.client
        listed = client.list(Pod, namespace=model.name, labels=labels)
        names = [str(pod.metadata.name) for pod in listed]
        return sum("# TYPE " in self.cluster.metrics(model.name, name) for name in names)


def _response(response: lab.Response) -> Response:
    return Response(response.status, response.body.decode(errors="replace"))
