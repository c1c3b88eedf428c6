# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `certificate_transfer` interface, requirer side: certificates of authorities to trust.

The requirer's application databag says which version it speaks: `version`, `1`. The provider's
application databag then holds `certificates`, a JSON list of PEM texts. A provider that has not
seen that, or speaks version 0 only, writes `chain`, `ca` and `certificate` into its unit databags.
"""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from istio_ambient.interfaces import _json, _validation
from istio_ambient.values.problems import Problem

MAX_LENGTH = 512 * 1024
"""Characters of PEM that are taken over: half of what fits into a ConfigMap."""

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----")


def request() -> dict[str, str]:
    """Return the requirer's application databag."""
    return {"version": "1"}


def parse(
    databag: Mapping[str, str],
    units: Iterable[Mapping[str, str]] = (),
    *,
    app: str,
    endpoint: str,
) -> tuple[list[str], list[Problem]]:
    """Read the certificates: sorted, each once, as PEM that OpenSSL can read.

    Args:
        databag: the provider's application databag.
        units: the databags of its units, read only where that one holds no certificates.
        app: the application that wrote them, for the problems.
        endpoint: our endpoint that they came in by, for the problems.
    """
    texts, problems = _texts(databag, "certificates", app=app, endpoint=endpoint)
    if not texts and databag.get("version") != "1":
        for unit in units:
            more, found = _texts(unit, "chain", app=app, endpoint=endpoint)
            texts += more
            problems += found
    good: set[str] = set()
    for field, text in texts:
        blocks = _BLOCK.findall(text)
        valid = {pem for block in blocks if (pem := _normal_form(block))}
        good |= valid
        if not blocks or len(valid) < len(set(blocks)):
            remedy = "send certificates in PEM"
            problems.append(Problem(app, endpoint, field, "not a certificate", remedy))
    kept = list(_bounded(sorted(good)))
    if len(kept) < len(good):
        text = f"{len(good) - len(kept)} certificates left out"
        remedy = f"send at most {MAX_LENGTH} characters"
        problems.append(Problem(app, endpoint, "certificates", text, remedy))
    return kept, problems[: _validation.MAX_PER_ENTRY]


def _texts(
    databag: Mapping[str, str], key: str, *, app: str, endpoint: str
) -> tuple[list[tuple[str, str]], list[Problem]]:
    """Return the strings of a JSON list, each with its place."""
    text = databag.get(key)
    if text is None:
        return [], []
    try:
        value = _json.decode(text)
    except _json.MalformedError as error:
        return [], [Problem(app, endpoint, key, str(error), error.remedy)]
    if not isinstance(value, list):
        return [], [] if value is None else [Problem(app, endpoint, key, "not a list", "use one")]
    members = [(f"{key}[{n}]", member) for n, member in enumerate(cast(list[Any], value))]
    problems = [
        Problem(app, endpoint, field, "not a string", "send certificates in PEM")
        for field, member in members
        if not isinstance(member, str)
    ]
    return [(field, member) for field, member in members if isinstance(member, str)], problems


def _normal_form(block: str) -> str | None:
    """Return the certificate with PEM's line lengths; None where it is not one."""
    try:
        der = ssl.PEM_cert_to_DER_cert(block)
        # Nothing is connected to: OpenSSL has to be able to read it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ValueError, OSError):  # binascii.Error is the one, ssl.SSLError the other
        return None
    return ssl.DER_cert_to_PEM_cert(der)


def _bounded(certificates: Iterable[str]) -> Iterator[str]:
    length = 0
    for certificate in certificates:
        length += len(certificate)
        if length > MAX_LENGTH:
            return
        yield certificate
