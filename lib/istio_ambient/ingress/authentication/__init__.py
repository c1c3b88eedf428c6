# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Authenticated routes: which paths need a login or a token, and the policies for them. Pure.

`_paths` compares paths, which `_patterns` finds, and `_in_force` decides which routes in the
cluster count. `_authentication` applies both to the served routes. `_policies` makes the objects,
`_token_keys` those that hold the keys of issuers, `_token_rules` what the rules about tokens of
several applications have in common. Requirements come from `model`, routes from `routing`.
"""

from istio_ambient.ingress.authentication._authentication import Authentication, authentication
from istio_ambient.ingress.authentication._in_force import InForce, in_force
from istio_ambient.ingress.authentication._policies import (
    asks_authorizer,
    authentication_in_force,
    authentication_policies,
    gateway_policy,
    requires_token,
)
from istio_ambient.ingress.authentication._token_keys import (
    key_problems,
    key_readiness,
    keys_due,
    keys_in_force,
    left_to_istiod,
    renewed,
)
from istio_ambient.ingress.authentication._token_rules import TokenUses, compatible, uses_in_force

__all__ = [
    "Authentication",
    "InForce",
    "TokenUses",
    "asks_authorizer",
    "authentication",
    "authentication_in_force",
    "authentication_policies",
    "compatible",
    "gateway_policy",
    "in_force",
    "key_problems",
    "key_readiness",
    "keys_due",
    "keys_in_force",
    "left_to_istiod",
    "renewed",
    "requires_token",
    "uses_in_force",
]
