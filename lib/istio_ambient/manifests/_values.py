# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The values of one control plane, which the templates are rendered with."""

import dataclasses
import hashlib
from collections.abc import Mapping

import pydantic

from istio_ambient.interfaces.istio_ingress_config import Authorizer
from istio_ambient.interfaces.tracing import Endpoint

from ._config import AUTO, Config
from ._platforms import Platform

MIN_KUBERNETES = (1, 32)
"""The oldest Kubernetes that this Istio supports (istio/istio istioctl/pkg/install/k8sversion)."""


@dataclasses.dataclass(frozen=True)
class MeshCA:
    """The certificate authority of the site, as PEM texts.

    Source: Istio's documentation, "Plug in CA Certificates".
    """

    ca_cert: str
    """Certificate of the authority that signs for workloads."""
    ca_key: str = dataclasses.field(repr=False)
    root_cert: str
    """Certificates that every workload trusts; several while the root is replaced."""
    cert_chain: str
    """From `ca_cert` up to the root."""
    crl: str = ""
    """Lists of revoked certificates, for ztunnels; empty: there are none. istiod takes changed
    ones while it runs, so that they are no part of the fingerprint."""
    source: str = dataclasses.field(default="", compare=False)
    """Id of the Juju secret that the texts are from; empty where it is not known."""

    @property
    def fingerprint(self) -> str:
        """A hash of the certificates; not of the key, which belongs to the first of them."""
        public = "\0".join((self.ca_cert, self.root_cert, self.cert_chain))
        return hashlib.sha256(public.encode()).hexdigest()


class ControlPlane(pydantic.BaseModel, frozen=True, extra="forbid", defer_build=True):
    """The options of the operator, and what relations and the cluster bring.

    Raises:
        pydantic.ValidationError: a value of another type, or outside its range.
    """

    namespace: str = pydantic.Field(min_length=1, max_length=63)
    """Namespace of every object, and Istio's root namespace."""
    config: Config = pydantic.Field(default_factory=Config)
    found_platform: Platform = ""
    """Distribution of the cluster's nodes; it counts where `config.platform` is `auto`."""
    replicas: int = pydantic.Field(default=1, ge=1)
    """Number of istiod pods."""
    tracing: Endpoint | None = None
    """The OTLP endpoint (gRPC) to which the proxies send spans."""
    ext_authz_providers: Mapping[str, Authorizer] = pydantic.Field(
        default_factory=dict[str, Authorizer]
    )
    """Services with which gateways may check whether a request is allowed, by their name in CUSTOM
    policies: a DNS label, since istiod denies every request for any other."""
    jwks_ca: str = ""
    """PEM bundle of certificate authorities that istiod trusts for JWKS, beside public ones."""
    pod_labels: Mapping[str, str] = pydantic.Field(default_factory=dict[str, str])
    """Added to the labels of the pods of istiod, istio-cni and ztunnel."""
    mesh_config_annotations: Mapping[str, str] = pydantic.Field(default_factory=dict[str, str])
    """Of the ConfigMap with the MeshConfig."""
    mesh_ca: MeshCA | None = None
    """None: istiod makes a certificate authority, or uses a Secret `cacerts` of another owner."""

    @property
    def platform(self) -> Platform:
        """The distribution that the manifests are made for; empty: any other."""
        return self.found_platform if self.config.platform == AUTO else self.config.platform

    @property
    def jwks_ca_hash(self) -> str:
        """A hash of `jwks_ca`."""
        return hashlib.sha256(self.jwks_ca.encode()).hexdigest()
