# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""X.509 as others send it: what may go wrong while it is read."""

from cryptography import exceptions, x509

REFUSED = (
    ValueError,
    TypeError,
    exceptions.InvalidSignature,
    exceptions.UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library `cryptography` raises for what it cannot read or verify."""
