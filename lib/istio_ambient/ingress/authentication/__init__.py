# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which requests need a login or a token at the gateway, as Istio policies. Pure.

What is asked for comes from `model`, what is served from `routing`.
"""

from istio_ambient.ingress.authentication._policies import (
    authentication_policies,
    authentication_problems,
    deny_name,
    ext_authz_name,
    gateway_target,
    open_in_fact,
)

__all__ = [
    "authentication_policies",
    "authentication_problems",
    "deny_name",
    "ext_authz_name",
    "gateway_target",
    "open_in_fact",
]
