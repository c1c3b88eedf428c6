# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a control plane may be told: the values that the templates are rendered with."""

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

VERSION = "1.31.0"
"""The Istio release that the templates, the CRDs and the default images belong to."""

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
    """How a CUSTOM AuthorizationPolicy names it."""
    service: str = pydantic.Field(min_length=1)
    port: int = pydantic.Field(ge=1, le=65535)
    protocol: Literal["http", "grpc"] = "http"
    path_prefix: str = ""
    """Put before the path of the request that is checked; HTTP only."""
    include_request_headers_in_check: tuple[str, ...] = ()
    headers_to_upstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_allow: tuple[str, ...] = ()
    headers_to_downstream_on_deny: tuple[str, ...] = ()


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

    def image(self, name: str) -> str:
        """Return the reference of one of Istio's images."""
        return f"{self.hub}/{name}:{self.tag}-distroless"
