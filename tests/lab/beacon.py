# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""A model with istio-beacon-k8s for tests, and applications without charms that use it."""

import json
from typing import Any

from istio_ambient import kube, resources
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.types import PatchType

from tests import lab
from tests.lab import conftest, juju
from tests.scenarios import leftovers

APP, UNIT, CHARM = "istio-beacon-k8s", "istio-beacon-k8s/0", conftest.CHARMS / "istio-beacon-k8s"
MESH = f"{APP}:service-mesh"


class Shop:
    """The model, its beacon, and the administrator's view of the namespace."""

    def __init__(self, cluster: lab.Cluster, model: juju.Model, app: str = APP):
        self.cluster = cluster
        self.model = model
        self.app = app
        self.unit = f"{app}/0"
        self.mesh = f"{app}:service-mesh"
        self.name = model.name
        self.waypoint = f"{model.name}-{app}-waypoint"
        # As untyped as lightkube's generic resources are.
        self.client: Any = cluster.client
        self._consumers: list[tuple[str, str]] = []
        self._services: list[str] = []

    def deploy(self) -> None:
        """Deploy the beacon."""
        self.model.deploy(CHARM, self.app)
        self.model.settle()

    def refresh(self) -> None:
        """Run a hook in which nothing has changed."""
        self.model.emit(self.unit, "update-status")

    def config(self, **options: bool | str) -> None:
        """Set options of the beacon."""
        self.model.config(self.app, **options)
        self.model.settle()

    @property
    def status(self) -> str:
        """Status and message of the beacon's unit."""
        found = self.model.unit_status(self.unit)
        return f"{found.name}: {found.message}"

    def get(self, kind: kube.ResourceType, name: str) -> dict[str, Any]:
        """Return an object of the model's namespace."""
        return kube.manifest_of(self.client.get(kind, name, namespace=self.name))

    def edit(self, kind: kube.ResourceType, name: str, **content: Any) -> None:
        """Change an object of the model's namespace by hand."""
        merge = PatchType.MERGE
        self.client.patch(kind, name, content, namespace=self.name, patch_type=merge)

    @property
    def namespace_labels(self) -> dict[str, str]:
        """Labels of Istio on the model's namespace."""
        found = kube.manifest_of(self.client.get(Namespace, self.name))
        labels: dict[str, str] = found["metadata"].get("labels", {})
        return {key: value for key, value in labels.items() if "istio.io" in key}

    def entry(self, app: str, **changes: Any) -> dict[str, Any]:
        """Return the access request of an application: `caller` may GET it on port 80."""
        return {
            "source_namespace": self.name,
            "source_app_name": "caller",
            "target_namespace": self.name,
            "target_app_name": app,
            "target_type": "app",
            "endpoints": [{"ports": [80], "methods": ["GET"]}],
            **changes,
        }

    def consumer(self, app: str, *entries: Any, quiet: bool = False) -> None:
        """Relate an application without a charm, with a Service as Juju makes it."""
        self.service(app)
        databag = {"policies": json.dumps(entries or [self.entry(app)])}
        self.remote(self.mesh, app, databag, quiet=quiet)

    def remote(
        self,
        endpoint: str,
        name: str,
        databag: dict[str, str],
        model_uuid: str | None = None,
        quiet: bool = False,
    ) -> None:
        """Relate an application without a charm."""
        self.model.fake_remote(endpoint, name, databag, model_uuid=model_uuid, quiet=quiet)
        self._consumers.append((endpoint, name))

    def clear(self) -> None:
        """Remove the relations and Services of `consumer`, `remote` and `service`."""
        for endpoint, name in self._consumers:
            self.model.remove_relation(endpoint, name)
        self._consumers.clear()
        self.model.settle()
        for name in self._services:
            self.client.delete(Service, name, namespace=self.name)
        self._services.clear()

    def service(self, name: str, selects: str = "") -> None:
        """Create a Service as Juju does, for the pods of an application."""
        labels = {"app.kubernetes.io/managed-by": "juju"}
        metadata = ObjectMeta(name=name, namespace=self.name, labels=labels)
        selector = {"app.kubernetes.io/name": selects or name}
        spec = ServiceSpec(selector=selector, ports=[ServicePort(port=80)])
        self.client.create(Service(metadata=metadata, spec=spec))
        self._services.append(name)

    def policies(self) -> dict[str, Any]:
        """Return the spec of each policy in the model's namespace, by its target."""
        found: dict[str, Any] = {}
        for policy in self.client.list(resources.AuthorizationPolicy, namespace=self.name):
            spec = policy["spec"]
            labels = spec.get("selector", {}).get("matchLabels", {})
            service = spec["targetRefs"][0]["name"] if "targetRefs" in spec else ""
            found[service or ",".join(f"{k}={v}" for k, v in labels.items())] = spec
        return found

    def owned_objects(self) -> list[str]:
        """Return every object of the namespace with the identity label of one of our charms."""
        found = leftovers.of(self.cluster.kubeconfig, "")
        return [line for line in found if f" {self.name}/" in line]
