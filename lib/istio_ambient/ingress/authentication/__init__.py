# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Authenticated routes: which paths need a login or a token, and the policies for them. Pure.

`_paths` compares paths, `_authentication` applies that to the served routes, `_policies` makes the
objects. Requirements come from `model`, routes from `routing`.
"""

from istio_ambient.ingress.authentication._authentication import Authentication, authentication
from istio_ambient.ingress.authentication._policies import (
    authentication_guards,
    authentication_in_force,
    authentication_policies,
    gateway_policy,
)

__all__ = [
    "Authentication",
    "authentication",
    "authentication_guards",
    "authentication_in_force",
    "authentication_policies",
    "gateway_policy",
]
