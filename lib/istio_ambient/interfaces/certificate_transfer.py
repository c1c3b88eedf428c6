# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `certificate_transfer` interface, requirer side: certificates of trusted authorities.

The requirer's application databag says which version it speaks: `version`, `1`. The provider's
application databag then holds `certificates`, a JSON list of PEM texts. A provider that has not
seen that, or speaks version 0 only, writes `chain`, `ca` and `certificate` into its unit databags.
"""

import itertools
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping

from istio_ambient.interfaces._reader import Reader
from istio_ambient.values import validation
from istio_ambient.values.problems import InvalidValueError, Problem, inside

MAX_LENGTH = 512 * 1024
"""Characters of PEM that are used: half of what fits into a ConfigMap."""
MAX_TEXTS = 5_000

_BLOCK = r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----"
_REMEDY = "send certificates in PEM"


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
        endpoint: our endpoint that they arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    readers = [reader]
    texts = list(_texts(reader, "certificates"))
    good = {pem for text in texts for pem in text}
    if not texts and databag.get("version") != "1":
        readers += (Reader(unit, app=app, endpoint=endpoint) for unit in units)
        good = {pem for each in readers[1:] for text in _texts(each, "chain") for pem in text}
    ordered = sorted(good)
    lengths = itertools.accumulate(map(len, ordered))
    kept = [pem for pem, length in zip(ordered, lengths, strict=True) if length <= MAX_LENGTH]
    if len(kept) < len(good):
        message = f"{len(good) - len(kept)} certificates left out"
        error = InvalidValueError(message, f"send at most {MAX_LENGTH} characters")
        reader.report("certificates", error)
    problems = [problem for each in readers for problem in each.problems]
    return kept, problems[: validation.MAX_PROBLEMS]


def _texts(reader: Reader, key: str) -> Iterator[set[str]]:
    """Yield the valid certificates of each string in a list."""
    for number, text in enumerate(reader.members(key, MAX_TEXTS)):
        if not isinstance(text, str):
            reader.report(inside(key, number), InvalidValueError("not a string", _REMEDY))
            continue
        blocks = re.findall(_BLOCK, text)
        valid = {pem for block in blocks if (pem := _normal_form(block))}
        if not blocks or len(valid) < len(set(blocks)):
            reader.report(inside(key, number), InvalidValueError("not a certificate", _REMEDY))
        yield valid


def _normal_form(block: str) -> str | None:
    """Return the certificate with PEM's line lengths; None where it is invalid."""
    try:
        der = ssl.PEM_cert_to_DER_cert(block)
        # The context connects to nothing; OpenSSL has to be able to read the certificate.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ValueError, OSError):  # binascii.Error is a ValueError, ssl.SSLError an OSError
        return None
    return ssl.DER_cert_to_PEM_cert(der)
