# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options of istio-ingress-k8s, as `ops.CharmBase.load_config` reads them."""

import pydantic

from istio_ambient import gateways
from istio_ambient.values import pods
from istio_ambient.values.config import Applications, Namespaces
from istio_ambient.values.problems import InvalidValueError

_SERVICE = frozenset({"external-traffic-policy", "gateway-service-type"})


class Config(pods.PodsConfig):
    """The options, with the names and defaults of `charmcraft.yaml`.

    Hostnames and networks are checked where they are used, since an invalid one has a substitute
    that depends on the cluster.
    """

    external_hostname: str = ""
    listener_hostname: str | None = None
    """None: unset; empty: the listener accepts any hostname."""
    external_traffic_policy_cidrs: str = "0.0.0.0/0"
    """Networks of allowed clients, comma-separated; empty: no client is allowed."""
    trusted_requesters: Applications = frozenset()
    """Applications of our model that may have Services of other applications exposed."""
    route_namespaces: Namespaces = frozenset()
    """Namespaces whose routes the gateway takes, besides those that relations name."""
    gateway_resources: pods.ResourcesOption = pods.NO_RESOURCES
    gateway_tolerations: pods.Tolerations = None
    gateway_node_selector: pods.NodeSelector = pods.NO_LABELS
    gateway_service_type: gateways.ServiceType = "LoadBalancer"
    external_traffic_policy: gateways.TrafficPolicy = "Cluster"

    @pydantic.field_validator("external_traffic_policy", mode="after")
    @classmethod
    def _check_service_type(
        cls, policy: gateways.TrafficPolicy, info: pydantic.ValidationInfo
    ) -> gateways.TrafficPolicy:
        # Kubernetes' API refuses a Service of type ClusterIP with this field.
        if policy == "Local" and info.data.get("gateway_service_type") == "ClusterIP":
            remedy = "use Cluster, or gateway-service-type=LoadBalancer or NodePort"
            raise InvalidValueError("'Local' is not for gateway-service-type=ClusterIP", remedy)
        return policy

    @property
    def gateway(self) -> gateways.Settings | None:
        """The settings of the gateway; None: an option is invalid, and the gateway is held."""
        if self.invalid & (_SERVICE | pods.options("gateway")):
            return None
        return gateways.Settings(
            pods=self.pods("gateway"),
            service_type=self.gateway_service_type,
            external_traffic_policy=self.external_traffic_policy,
        )
