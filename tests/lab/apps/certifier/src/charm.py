# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A certificate authority on the published library: a root that signs by an intermediate."""

import json
from typing import Any

import ops
from charmlibs.interfaces import tls_certificates

from tests import authorities

ENDPOINT = "certificates"


class CertifierCharm(ops.CharmBase):
    """Answers requests with certificates of the CA that option `ca` names."""

    _stored = ops.StoredState()

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._stored.set_default(authorities="{}", signing="")
        self.library = tls_certificates.TLSCertificatesProvidesV4(self, ENDPOINT)
        events = self.on[ENDPOINT]
        for event in (
            events.relation_joined,
            events.relation_changed,
            self.on.config_changed,
            self.on.update_status,
        ):
            framework.observe(event, self._on_event)
        framework.observe(self.on["get-ca-certificate"].action, self._on_get_ca)
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)

    @property
    def _state(self) -> Any:
        return self._stored

    def _on_event(self, _: ops.EventBase) -> None:
        ca_name = str(self.config["ca"])
        if self._state.signing not in ("", ca_name):
            self.library.revoke_all_certificates()
        self._state.signing = ca_name
        if not self.config["issues"]:
            return
        signer = self._certificate_authority(ca_name)
        for request in self.library.get_outstanding_certificate_requests():
            if self.config["refuses"]:
                self._refuse(request)
            else:
                self._sign(request, signer)

    def _certificate_authority(self, name: str) -> authorities.Authority:
        known: dict[str, str] = json.loads(self._state.authorities)
        if name not in known:
            made = authorities.Authority.make(name, authorities.Authority.make(f"{name}-root"))
            known[name] = made.dump()
            self._state.authorities = json.dumps(known)
        return authorities.Authority.load(known[name])

    def _sign(
        self,
        request: tls_certificates.RequirerCertificateRequest,
        signer: authorities.Authority,
    ) -> None:
        csr = request.certificate_signing_request
        chain = [signer.sign(str(csr)), *signer.path]
        self.library.set_relation_certificate(
            tls_certificates.ProviderCertificate(
                relation_id=request.relation_id,
                certificate=tls_certificates.Certificate.from_string(chain[0]),
                certificate_signing_request=csr,
                ca=tls_certificates.Certificate.from_string(chain[-1]),
                chain=[tls_certificates.Certificate.from_string(each) for each in chain],
            )
        )

    def _refuse(self, request: tls_certificates.RequirerCertificateRequest) -> None:
        code = tls_certificates.CertificateRequestErrorCode.IP_NOT_ALLOWED
        error = tls_certificates.CertificateError(
            code=code, name=code.name, message="addresses are not certified here"
        )
        self.library.set_relation_error(
            tls_certificates.ProviderCertificateError(
                request.relation_id, request.certificate_signing_request, error
            )
        )

    def _on_get_ca(self, event: ops.ActionEvent) -> None:
        event.set_results(
            {"ca-certificate": self._certificate_authority(str(self.config["ca"])).path[-1]}
        )

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(ops.ActiveStatus())


if __name__ == "__main__":
    ops.main(CertifierCharm)
