# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The objects that Juju itself keeps in a Kubernetes cluster for a model and its applications."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import lightkube
import yaml
from lightkube.models.apps_v1 import DeploymentSpec, StatefulSetSpec
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.core_v1 import (
    Container,
    ContainerPort,
    PodSpec,
    PodTemplateSpec,
    ServicePort,
    ServiceSpec,
)
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.models.rbac_v1 import RoleRef, Subject
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import (
    Namespace,
    Pod,
    Service,
    ServiceAccount,
    ServiceAccountToken,
)
from lightkube.resources.rbac_authorization_v1 import ClusterRoleBinding
from lightkube.types import PatchType

from tests import lab

MODEL_ID = "model.juju.is/id"
AGENT_IMAGE = "docker.io/jujusolutions/charm-base:ubuntu-24.04"
PLACEHOLDER_PORT = 65535
TERMINATION_SECONDS = 60.0
TOKEN_SECONDS = 24 * 3600

Marks = Literal["label", "annotation"]


class Cluster(Protocol):
    """The part of the lab's cluster that a model needs."""

    @property
    def client(self) -> lightkube.Client:
        """A client of an administrator."""
        ...

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        ...

    @property
    def has_ztunnel(self) -> bool:
        """Whether applications on the mesh have a real ztunnel."""
        ...

    def request(
        self,
        source: str | None,
        service: str,
        method: str = "GET",
        path: str = "/",
        *,
        pod: str | None = None,
        captured: bool = False,
    ) -> lab.Response:
        """Send a request as a workload."""
        ...


class Cloud:
    """Juju's objects of one model: its namespace and the objects in it."""

    def __init__(self, cluster: Cluster, model: str, folder: Path):
        # lightkube's own annotations are not complete enough for strict checking.
        self._client: Any = cluster.client
        self._kubeconfig = cluster.kubeconfig
        self._namespace = model
        self._folder = folder

    def create_model(self, uuid: str, mark: Marks) -> None:
        """Create the namespace, marked as the model's, and the model operator.

        A namespace of that name that is being deleted is waited for.
        """
        labels = {
            "app.kubernetes.io/managed-by": "juju",
            "model.juju.is/name": self._namespace,
            "kubernetes.io/metadata.name": self._namespace,
        }
        annotations = {"controller.juju.is/id": "5d3f0b1c-0000-4000-8000-6c6162000000"}
        (labels if mark == "label" else annotations)[MODEL_ID] = uuid
        meta = ObjectMeta(name=self._namespace, labels=labels, annotations=annotations)
        self._await_absence()
        self._client.create(Namespace(metadata=meta))
        operator = {"operator.juju.is/name": "modeloperator", "operator.juju.is/target": "model"}
        pods = operator | {"juju-modeloperator": "modeloperator"}
        self._client.create(
            Deployment(
                metadata=self._meta("modeloperator", operator),
                spec=DeploymentSpec(
                    replicas=1,
                    selector=LabelSelector(matchLabels={"juju-modeloperator": "modeloperator"}),
                    template=PodTemplateSpec(
                        metadata=ObjectMeta(labels=pods),
                        spec=PodSpec(
                            containers=[Container(name="juju-operator", image=AGENT_IMAGE)]
                        ),
                    ),
                ),
            )
        )

    def _await_absence(self) -> None:
        end = time.monotonic() + TERMINATION_SECONDS
        while time.monotonic() < end:
            try:
                found = self._client.get(Namespace, self._namespace)
            except lightkube.ApiError as error:
                if error.status.code == 404:
                    return
                raise
            if found.status.phase != "Terminating":
                return
            time.sleep(0.2)

    def destroy_model(self) -> None:
        """Delete the namespace, and the cluster roles of ``--trust``."""
        for binding in self._client.list(ClusterRoleBinding, labels=self._managed()):
            self._delete(ClusterRoleBinding, _name(binding))
        self._delete(Namespace, self._namespace)

    def deploy(
        self,
        app: str,
        units: int,
        containers: Mapping[str, str],
        served: Mapping[int, str],
        trust: bool,
    ) -> None:
        """Create ServiceAccount, Services and StatefulSet of an application."""
        labels = {"app.kubernetes.io/name": app}
        self._client.create(ServiceAccount(metadata=self._meta(app, labels)))
        if trust:
            self._trust(app)
        placeholder = ServicePort(name="placeholder", port=PLACEHOLDER_PORT, protocol="TCP")
        self._client.create(
            Service(
                metadata=self._meta(app, labels),
                spec=ServiceSpec(type="ClusterIP", selector=labels, ports=[placeholder]),
            )
        )
        self._client.create(
            Service(
                metadata=self._meta(f"{app}-endpoints", labels),
                spec=ServiceSpec(clusterIP="None", selector=labels, publishNotReadyAddresses=True),
            )
        )
        self._client.create(
            StatefulSet(
                metadata=self._meta(app, labels),
                spec=StatefulSetSpec(
                    replicas=units,
                    serviceName=f"{app}-endpoints",
                    podManagementPolicy="Parallel",
                    selector=LabelSelector(matchLabels=labels),
                    template=self._pods(app, containers, served),
                ),
            )
        )

    def _pods(
        self, app: str, containers: Mapping[str, str], served: Mapping[int, str]
    ) -> PodTemplateSpec:
        ports = [
            ContainerPort(containerPort=port, name=f"{speaks}-{port}")
            for port, speaks in served.items()
        ]
        charm = Container(name="charm", image=AGENT_IMAGE)
        workloads = [Container(name=name, image=image) for name, image in containers.items()]
        (workloads or [charm])[0].ports = ports or None
        return PodTemplateSpec(
            metadata=ObjectMeta(
                labels={"app.kubernetes.io/name": app},
                annotations={lab.APP_ANNOTATION: "true"} if ports else None,
            ),
            spec=PodSpec(serviceAccountName=app, containers=[charm, *workloads]),
        )

    def _trust(self, app: str) -> None:
        name = f"{self._namespace}-{app}"
        meta = ObjectMeta(name=name, labels=self._managed() | {"app.kubernetes.io/name": app})
        self._client.create(
            ClusterRoleBinding(
                metadata=meta,
                roleRef=RoleRef(
                    apiGroup="rbac.authorization.k8s.io", kind="ClusterRole", name="cluster-admin"
                ),
                subjects=[Subject(kind="ServiceAccount", name=app, namespace=self._namespace)],
            )
        )

    def kubeconfig_of(self, app: str) -> Path:
        """Write a kubeconfig with a token of the application's ServiceAccount."""
        request = ServiceAccountToken(
            metadata=ObjectMeta(),
            spec=TokenRequestSpec(audiences=[], expirationSeconds=TOKEN_SECONDS),
        )
        answer = self._client.create(request, app, namespace=self._namespace)
        if answer.status is None:
            raise ValueError(f"no token for {app}")
        config: dict[str, Any] = yaml.safe_load(self._kubeconfig.read_text())
        config["users"] = [{"name": app, "user": {"token": answer.status.token}}]
        for context in config["contexts"]:
            context["context"] |= {"user": app, "namespace": self._namespace}
        for cluster in config["clusters"]:
            authority = cluster["cluster"].get("certificate-authority")
            if authority:
                path = self._kubeconfig.parent / authority
                cluster["cluster"]["certificate-authority"] = str(path)
        file = self._folder / f"{app}.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))
        return file

    def scale(self, app: str, units: int) -> None:
        """Set the number of pods."""
        self._patch(StatefulSet, app, {"spec": {"replicas": units}})

    def set_ports(self, app: str, ports: Iterable[tuple[int, str]]) -> None:
        """Set the Service's ports to those that the charm opened."""
        expected = [
            {"name": f"{port}-{protocol}", "port": port, "protocol": protocol.upper()}
            for port, protocol in ports
        ]
        expected = expected or [{"name": "placeholder", "port": PLACEHOLDER_PORT}]
        self._patch(Service, app, {"spec": {"ports": expected}})

    def service_address(self, app: str) -> str:
        """Return the address of an application's Service."""
        service = self._client.get(Service, app, namespace=self._namespace)
        return str(service.spec.clusterIP)

    def pods(self) -> dict[str, Pod]:
        """Return the pods of all applications by name."""
        managed = {"app.kubernetes.io/name": None}
        listed = self._client.list(Pod, namespace=self._namespace, labels=managed)
        return {_name(pod): pod for pod in listed}

    def delete_pod(self, name: str) -> None:
        """Delete a pod; its StatefulSet makes another."""
        self._delete(Pod, name, self._namespace)

    def rolling(self) -> set[str]:
        """Return the applications with pods that differ from their StatefulSet."""
        listed = self._client.list(StatefulSet, namespace=self._namespace)
        return {_name(app) for app in listed if not _rolled_out(app)}

    def remove(self, app: str) -> None:
        """Delete the objects that `deploy` created."""
        namespace = self._namespace
        self._delete(StatefulSet, app, namespace)
        self._delete(Service, app, namespace)
        self._delete(Service, f"{app}-endpoints", namespace)
        self._delete(ServiceAccount, app, namespace)
        self._delete(ClusterRoleBinding, f"{namespace}-{app}")

    def _managed(self) -> dict[str, str]:
        return {"app.kubernetes.io/managed-by": "juju", "model.juju.is/name": self._namespace}

    def _meta(self, name: str, labels: Mapping[str, str]) -> ObjectMeta:
        labels = {"app.kubernetes.io/managed-by": "juju", **labels}
        return ObjectMeta(name=name, namespace=self._namespace, labels=labels)

    def _patch(self, kind: Any, name: str, patch: Mapping[str, Any]) -> None:
        self._client.patch(
            kind, name, patch, namespace=self._namespace, patch_type=PatchType.MERGE
        )

    def _delete(self, kind: Any, name: str, namespace: str | None = None) -> None:
        try:
            self._client.delete(kind, name, namespace=namespace)
        except lightkube.ApiError as error:
            if error.status.code != 404:
                raise


def _rolled_out(app: Any) -> bool:
    status, expected = app.status, app.spec.replicas
    if status is None or status.observedGeneration != app.metadata.generation:
        return False
    # A count of zero is left out; so is the current revision until there was a pod.
    ready = (status.readyReplicas or 0) == (status.updatedReplicas or 0) == expected
    return ready and (expected == 0 or status.updateRevision == status.currentRevision)


def _name(resource: Any) -> str:
    return str(resource.metadata.name)
