# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a control plane may be told: the values that the templates are rendered with."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import pydantic

VERSION = "1.31.0"
"""The Istio release that the templates, the CRDs and the default images belong to."""

MIN_KUBERNETES = (1, 32)
"""The oldest Kubernetes that this Istio supports (istio/istio istioctl/pkg/install/k8sversion)."""

Platform = Literal["", "microk8s", "k3s", "k3d", "minikube", "gke", "openshift"]
"""Kubernetes distributions that keep their CNI files elsewhere; "" is any other."""


class _Values(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class TracingCollector(_Values):
    """An OTLP over gRPC endpoint that the proxies send their spans to."""

    service: str = pydantic.Field(min_length=1)
    """Host name as Istio knows the service: fully qualified, or `<namespace>/<host>`."""
    port: int = pydantic.Field(ge=1, le=65535)


class ExtAuthzProvider(_Values):
    """A service that gateways may ask whether to let a request through.

    The fields are those of MeshConfig's `envoyExtAuthzHttp`; of these `envoyExtAuthzGrpc` has only
    `service` and `port`.
    """

    name: str = pydantic.Field(min_length=1)
    """How a CUSTOM AuthorizationPolicy names it: a DNS label, or istiod denies every request."""
    service: str = pydantic.Field(min_length=1)
    port: int = pydantic.Field(ge=1, le=65535)
    protocol: Literal["http", "grpc"] = "http"
    path_prefix: str = ""
    """Put before the path of the request that is checked; HTTP only."""
    include_request_headers_in_check: tuple[str, ...] = ()
    headers_to_upstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_deny: tuple[str, ...] = ()


class PodSettings(_Values):
    """What an operator may choose for the pods of one component, in Kubernetes' own fields."""

    resources: Mapping[str, Mapping[str, str]] = pydantic.Field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """`requests` and `limits` → resource → quantity, laid over those of `DEFAULT_RESOURCES`."""
    tolerations: tuple[Mapping[str, Any], ...] | None = None
    """None: those of Istio's charts. istiod always tolerates a node whose CNI is not ready."""
    node_selector: Mapping[str, str] = pydantic.Field(default_factory=dict[str, str])


COMPONENTS = ("istiod", "cni", "ztunnel")
"""What a control plane consists of; each has `PodSettings`."""

DEFAULT_RESOURCES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "istiod": {"requests": {"cpu": "500m", "memory": "2048Mi"}},
    "cni": {"requests": {"cpu": "100m", "memory": "100Mi"}},
    "ztunnel": {"requests": {"cpu": "200m", "memory": "512Mi"}},
    "waypoint": {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    },
    "gateway": {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "2000m", "memory": "1024Mi"},
    },
}
"""Component → resources that it gets where the operator says nothing; those of Istio's charts.

The last two stand in the templates that istiod makes waypoints and gateways from.
"""


@dataclasses.dataclass(frozen=True)
class MeshCA:
    """A certificate authority of the site's own; PEM texts, in files that Istio names.

    Source: Istio's documentation, "Plug in CA Certificates".
    """

    ca_cert: str
    """What signs the certificates of workloads."""
    ca_key: str = dataclasses.field(repr=False)
    root_cert: str
    """What every workload trusts; several while the root is replaced."""
    cert_chain: str
    """From `ca_cert` up to the root."""
    source: str = dataclasses.field(default="", compare=False)
    """Id of the Juju secret that it is from; "" where that is not known."""

    @property
    def fingerprint(self) -> str:
        """A hash of the certificates; the key, which matches the first, takes no part in it."""
        public = "\0".join((self.ca_cert, self.root_cert, self.cert_chain))
        return hashlib.sha256(public.encode()).hexdigest()


class ControlPlane(_Values):
    """The values of one control plane.

    Raises:
        pydantic.ValidationError: a value of the wrong type, or outside of what is allowed.
    """

    namespace: str = pydantic.Field(min_length=1, max_length=63)
    """Where all of it runs, and Istio's root namespace."""
    hub: str = pydantic.Field(default="docker.io/istio", min_length=1)
    """Registry and repository of the images `pilot`, `proxyv2`, `install-cni` and `ztunnel`."""
    tag: str = pydantic.Field(default=VERSION, min_length=1)
    """Tag of all images, without the variant: `-distroless` is added."""
    platform: Platform = ""
    cni_bin_dir: str = ""
    """Where a node's CNI plugins are; "" is where the platform keeps them."""
    cni_conf_dir: str = ""
    """Where a node's CNI configuration is; "" is where the platform keeps it."""
    auto_allow_waypoint_policy: bool = True
    """Whether ztunnel lets a workload's own waypoint through, whatever its policies say."""
    replicas: int = pydantic.Field(default=1, ge=1)
    """Number of istiod pods."""
    tracing: TracingCollector | None = None
    ext_authz_providers: tuple[ExtAuthzProvider, ...] = ()
    jwks_ca: str = ""
    """PEM bundle of the authorities that istiod trusts, beside the public ones, for JWKS."""
    pod_labels: Mapping[str, str] = pydantic.Field(default_factory=dict[str, str])
    """Put on the pods of istiod, istio-cni and ztunnel, in addition to their own."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the namespace; waypoints and gateways look for them in their own."""
    mesh_config: Mapping[str, Any] = pydantic.Field(default_factory=dict[str, Any])
    """Overlay on MeshConfig, in its JSON form; see `mesh_config.mesh_config` for how it merges."""
    istiod: PodSettings = PodSettings()
    cni: PodSettings = PodSettings()
    ztunnel: PodSettings = PodSettings()
    mesh_ca: MeshCA | None = None
    """None: istiod makes an authority of its own, or takes Secret `cacerts` of somebody else."""

    def image(self, name: str) -> str:
        """Return the reference of one of Istio's images."""
        return f"{self.hub}/{name}:{self.tag}-distroless"

    def resources(self, component: str) -> dict[str, dict[str, str]]:
        """Return the resources of `istiod`, `cni` or `ztunnel`: the defaults under the given."""
        given: Mapping[str, Mapping[str, str]] = getattr(self, component).resources
        return merged_resources(component, given)


def merged_resources(
    component: str, given: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Return the default resources of a component with others laid over them."""
    default = DEFAULT_RESOURCES[component]
    both = {kind: {**default.get(kind, {}), **given.get(kind, {})} for kind in (*default, *given)}
    return {kind: amounts for kind, amounts in both.items() if amounts}
