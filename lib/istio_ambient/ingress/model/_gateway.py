# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Gateway of this application, by name."""

import msgspec

from istio_ambient import gateways


class GatewayRef(msgspec.Struct, frozen=True):
    """The Gateway of this application, by namespace and name."""

    namespace: str
    """Our model."""
    name: str
    """Our application."""

    @property
    def workload(self) -> str:
        """The name of the Deployment, Service and ServiceAccount that istiod makes."""
        return workload_name(self.name)

    @property
    def target_ref(self) -> dict[str, str]:
        """The element of a policy's `targetRefs` for the Gateway."""
        return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": self.name}


def workload_name(app: str) -> str:
    """Return the name of the objects that istiod makes for the Gateway `app`."""
    return f"{app}-{gateways.INGRESS_CLASS}"
