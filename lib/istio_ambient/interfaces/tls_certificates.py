# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `tls-certificates` interface (version 1), requirer side: what the provider has issued.

The published library requests, renews, and keeps the private key; it trusts the provider. This
module does not: it reads the provider's application databag first, so that the library is run
only on what it can read. `certificates` is a JSON list of {`certificate`,
`certificate_signing_request`, `ca`, `chain`?, `revoked`?} in PEM, `request_errors` one of {`csr`,
`error`}, `capabilities` a JSON object; all are optional.
"""

import datetime
from collections.abc import Mapping
from typing import Annotated, TypeAlias

import pydantic
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import certificates, validation
from istio_ambient.values.problems import InvalidValueError, Problem

REQUESTS_KEY = "certificate_signing_requests"
"""The only key of the requirer's application databag: a JSON list."""
MAX_PEM = 64 * 1024
"""Characters of one PEM text; a certificate of 4096 bits has about 2000."""
MAX_ENTRIES = 64
MAX_CHAIN = 16
SPENT = 0.95
"""Part of its lifetime after which the library requests another certificate in every hook."""


def _request(text: str) -> str:
    try:
        request = x509.load_pem_x509_csr(text.encode())
        _ = (request.extensions, request.public_key(), request.subject)
        return request.public_bytes(serialization.Encoding.PEM).decode().strip()
    except certificates.REFUSED:
        remedy = "send it in PEM, as it was requested"
        raise InvalidValueError("not a certificate signing request", remedy) from None


def _certificate(text: object) -> x509.Certificate:
    if not isinstance(text, str) or len(text) > MAX_PEM:
        remedy = f"send PEM of at most {MAX_PEM} characters"
        raise InvalidValueError("not a text, or too long", remedy)
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        # The library reads these; each may be invalid in a certificate that was loaded.
        _ = (certificate.extensions, certificate.public_key(), certificate.subject)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        return certificate
    except certificates.REFUSED:
        raise InvalidValueError("not a certificate", "send certificates in PEM") from None


_Request: TypeAlias = Annotated[
    pydantic.StrictStr, pydantic.Field(max_length=MAX_PEM), pydantic.AfterValidator(_request)
]
_Certificate: TypeAlias = Annotated[
    pydantic.InstanceOf[x509.Certificate], pydantic.BeforeValidator(_certificate)
]
_Chain: TypeAlias = Annotated[tuple[_Certificate, ...], pydantic.Field(max_length=MAX_CHAIN)]


class _Requested(Databag, extra="ignore"):
    request: _Request = pydantic.Field(alias="certificate_signing_request")
    """PEM in its normal form."""


class Issued(_Requested):
    """One certificate, and the request that it answers."""

    certificate: _Certificate
    ca: _Certificate
    chain: _Chain | None = None
    revoked: pydantic.StrictBool | None = None

    @property
    def others(self) -> tuple[x509.Certificate, ...]:
        """Certificates of authorities in any order; the certificate itself may be among them."""
        return (self.ca, *(self.chain or ()))

    @property
    def spent_at(self) -> datetime.datetime:
        """The time at which the part `SPENT` of its lifetime is over."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin + (end - begin) * SPENT


class _Error(Databag, extra="ignore"):
    code: pydantic.StrictInt
    name: pydantic.StrictStr
    message: pydantic.StrictStr
    reason: pydantic.StrictStr | None = None
    provider: pydantic.StrictStr | None = None
    endpoint: pydantic.StrictStr | None = None


class _RequestError(Databag, extra="ignore"):
    csr: _Request
    error: _Error


class _Capabilities(Databag, extra="ignore"):
    supports_ip_sans: pydantic.StrictBool | None = None
    supports_wildcard_dns: pydantic.StrictBool | None = None
    supports_subdomain: pydantic.StrictBool | None = None
    supports_ca_certificates: pydantic.StrictBool | None = None
    allowed_domains: list[pydantic.StrictStr] | None = None
    provider_type: pydantic.StrictStr | None = None


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[tuple[Issued, ...], list[Problem]]:
    """Read what was issued; with any problem, the library must not be run on the databag.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint, read_by_library=True)
    key = "certificates"
    issued = tuple(reader.entries(Issued, reader.members(key, MAX_ENTRIES), key).values())
    key = "request_errors"
    reader.entries(_RequestError, reader.members(key, MAX_ENTRIES), key)
    reader.object("capabilities", _Capabilities, nullable=True)
    requests = [each.request for each in issued if not each.revoked]
    if len(set(requests)) < len(requests):
        error = InvalidValueError("two certificates for one request", "issue one for each")
        reader.report("certificates", error)
    return issued, reader.problems[: validation.MAX_PROBLEMS]


def requests_of(databag: Mapping[str, str]) -> frozenset[str]:
    """Return the requests in the requirer's own databag, as PEM in its normal form."""
    reader = Reader(databag, app="", endpoint="")
    members = reader.members(REQUESTS_KEY, MAX_ENTRIES)
    entries = reader.entries(_Requested, members, REQUESTS_KEY)
    return frozenset(entry.request for entry in entries.values())
