# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Wires that no case of a whole charm detects, and for which no other test has been shown to.

Each is to get a case, or a test that `TESTED_ALONE` names. None is to be added.
"""

from collections.abc import Mapping

OPEN: Mapping[str, str] = {
    "istio_ambient.integrations.gateway_certificate: self._relations.of": "forgotten",
}
"""Module and callee → parameters."""
