# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The endpoint of the gateway's certificate, as long as there is no relation too.

The libraries that request and read certificates take long to import, so a hook without the
relation does not import them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ops

from istio_ambient import kube
from istio_ambient.charm.relations import Relations
from istio_ambient.integrations._certificate_answer import Answer

if TYPE_CHECKING:
    from istio_ambient.integrations.gateway_certificate import GatewayCertificate


class CertificateEndpoint(ops.Object):
    """The requirer's side of one `tls-certificates` endpoint; made in the charm's constructor."""

    def __init__(self, charm: ops.CharmBase, relations: Relations, endpoint: str):
        super().__init__(charm, "certificate-endpoint")
        self._charm, self._relations, self._endpoint = charm, relations, endpoint
        related = bool(relations.of(endpoint, forgotten=True))
        self._certificate = self._gateway_certificate() if related else None
        if not related:
            # What the library keeps in secrets outlives the relation, which Juju lists no more.
            self.framework.observe(charm.on[endpoint].relation_broken, self._on_end)
            self.framework.observe(charm.on.secret_expired, self._on_end)
            self.framework.observe(charm.on.secret_remove, self._on_end)

    def _gateway_certificate(self) -> "GatewayCertificate":
        from istio_ambient.integrations import gateway_certificate

        return gateway_certificate.GatewayCertificate(self._charm, self._relations, self._endpoint)

    def _on_end(self, event: ops.EventBase) -> None:
        self._gateway_certificate().end(event)

    def answer(self, names: Sequence[str], secret: kube.Resource | None) -> Answer:
        """Request a certificate for the names, and return the one to use now.

        Args:
            names: hostnames and addresses, the subject first; empty: not known yet, so earlier
                requests stay.
            secret: the Secret that the gateway uses, as it is in the cluster.
        """
        if self._certificate is None:
            return Answer()
        return self._certificate.answer(names, secret)
