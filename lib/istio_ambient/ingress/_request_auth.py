# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which tokens requests to authenticated routes have to carry."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestAuth:
    """What applications say of the tokens that they take."""

    related: bool = False
    """Some application is related over istio-request-auth, whatever it says."""
