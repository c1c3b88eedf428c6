# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `tls-certificates` interface (version 1), requirer side: what an authority answered.

The published library asks, renews, and keeps the private key; its authors trust the provider.
This module does not: it reads the provider's application databag first, so that the library is
run only on what it can read. `certificates` is a JSON list of {`certificate`,
`certificate_signing_request`, `ca`, `chain`?, `revoked`?} in PEM, `request_errors` one of {`csr`,
`error`}, `capabilities` a JSON object; all are optional.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, cast

import pydantic
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from istio_ambient.interfaces import _json, _validation
from istio_ambient.values import certificates
from istio_ambient.values.problems import Problem

REQUESTS_KEY = "certificate_signing_requests"
"""The only key of the requirer's application databag: a JSON list."""
MAX_PEM = 64 * 1024
"""Characters of one PEM text; a certificate of 4096 bits has about 2000."""
MAX_ENTRIES = 64
MAX_CHAIN = 16
SPENT = 0.95
"""Part of its lifetime after which the library asks for another certificate on every event."""

_Pem: TypeAlias = Annotated[str, pydantic.Field(strict=True, max_length=MAX_PEM)]


class _Certificate(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    certificate: _Pem
    certificate_signing_request: _Pem
    ca: _Pem
    chain: Annotated[tuple[_Pem, ...], pydantic.Field(max_length=MAX_CHAIN)] | None = None
    revoked: pydantic.StrictBool | None = None


class _Error(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    code: pydantic.StrictInt
    name: pydantic.StrictStr
    message: pydantic.StrictStr
    reason: pydantic.StrictStr | None = None
    provider: pydantic.StrictStr | None = None
    endpoint: pydantic.StrictStr | None = None


class _RequestError(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    csr: _Pem
    error: _Error


class _Capabilities(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    supports_ip_sans: pydantic.StrictBool | None = None
    supports_wildcard_dns: pydantic.StrictBool | None = None
    supports_subdomain: pydantic.StrictBool | None = None
    supports_ca_certificates: pydantic.StrictBool | None = None
    allowed_domains: list[pydantic.StrictStr] | None = None
    provider_type: pydantic.StrictStr | None = None


@dataclass(frozen=True)
class Issued:
    """One certificate, and the request that it answers."""

    request: str
    """PEM in its normal form."""
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    """Of the authorities, in no certain order; the certificate itself may be among them."""
    revoked: bool = False

    @property
    def spent_at(self) -> datetime.datetime:
        """When so much of its lifetime is over that another one has to be asked for."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin + (end - begin) * SPENT


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[tuple[Issued, ...], list[Problem]]:
    """Read what was issued; with any problem, the library must not be run on the databag.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it came in by, for the problems.
    """
    problems: list[Problem] = []
    issued: list[Issued] = []

    def refuse(field: str, message: str, remedy: str) -> None:
        problems.append(Problem(app, endpoint, field, message, remedy))

    def entries(key: str, model: type[pydantic.BaseModel]) -> Iterable[tuple[str, Any]]:
        for field, value in _members(databag, key, refuse):
            try:
                yield field, model.model_validate(value)
            except pydantic.ValidationError as error:
                found = _validation.problems_of(error, app=app, endpoint=endpoint, field=field)
                problems.extend(found)

    for field, entry in entries("certificates", _Certificate):
        read = _issued(field, cast(_Certificate, entry), refuse)
        if read is not None:
            issued.append(read)
    for field, entry in entries("request_errors", _RequestError):
        _request(f"{field}.csr", cast(_RequestError, entry).csr, refuse)
    for _ in entries("capabilities", _Capabilities):
        pass
    requests = [each.request for each in issued if not each.revoked]
    if len(set(requests)) < len(requests):
        refuse("certificates", "two certificates for one request", "issue one for each")
    return tuple(issued), problems[: _validation.MAX_PER_ENTRY]


def requests_of(databag: Mapping[str, str]) -> frozenset[str]:
    """Return the requests in the requirer's own databag, as PEM in its normal form."""
    found: set[str] = set()
    for _, value in _members(databag, REQUESTS_KEY, _ignore):
        entry: Mapping[str, Any] = (
            cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
        )
        text = entry.get("certificate_signing_request")
        pem = _request("", text, _ignore) if isinstance(text, str) else None
        found |= {pem} if pem else set()
    return frozenset(found)


_Refuse: TypeAlias = Callable[[str, str, str], None]


def _ignore(field: str, message: str, remedy: str) -> None:
    """Take no note of a problem with what we wrote ourselves."""


def _members(databag: Mapping[str, str], key: str, refuse: _Refuse) -> list[tuple[str, Any]]:
    """Return what stands under a key, each with its place: members of a list, or one object."""
    try:
        value = _json.decode(databag.get(key, "null"))
    except _json.MalformedError as error:
        refuse(key, str(error), error.remedy)
        return []
    if not _json.is_shallow(value):
        refuse(key, "nested too deeply", "send fewer levels")
        return []
    if value is None:
        return []
    if key == "capabilities":
        return [(key, value)]
    if not isinstance(value, list):
        refuse(key, "not a list", "use a list")
        return []
    members = cast(list[Any], value)
    if len(members) > MAX_ENTRIES:
        refuse(key, f"{len(members)} entries", f"send at most {MAX_ENTRIES}")
        return []
    return [(f"{key}[{number}]", member) for number, member in enumerate(members)]


def _issued(field: str, entry: _Certificate, refuse: _Refuse) -> Issued | None:
    request = _request(
        f"{field}.certificate_signing_request", entry.certificate_signing_request, refuse
    )
    certificate = _certificate(f"{field}.certificate", entry.certificate, refuse)
    others = [_certificate(f"{field}.ca", entry.ca, refuse)]
    others += [
        _certificate(f"{field}.chain[{number}]", text, refuse)
        for number, text in enumerate(entry.chain or ())
    ]
    if request is None or certificate is None or None in others:
        return None
    read = tuple(other for other in others if other is not None)
    return Issued(request, certificate, read, bool(entry.revoked))


def _request(field: str, text: str, refuse: _Refuse) -> str | None:
    try:
        request = x509.load_pem_x509_csr(text.encode())
        _ = (request.extensions, request.public_key(), request.subject)
        return request.public_bytes(serialization.Encoding.PEM).decode().strip()
    except certificates.REFUSED:
        refuse(field, "not a certificate signing request", "send it in PEM, as it was asked")
        return None


def _certificate(field: str, text: str, refuse: _Refuse) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        # What the library looks at; each may be what cannot be read.
        _ = (certificate.extensions, certificate.public_key(), certificate.subject)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        return certificate
    except certificates.REFUSED:
        refuse(field, "not a certificate", "send certificates in PEM")
        return None
