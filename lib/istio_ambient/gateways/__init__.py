# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A Gateway of ours, of whichever class, and what istiod is to make of it: pure.

istiod makes a Deployment, a Service, a ServiceAccount and a PodDisruptionBudget of a Gateway.
`_gateway` is the Gateway and its scale, `_parameters` what it says of these objects, `_settings`
what an operator may choose.
"""

from istio_ambient.gateways._gateway import KINDS, Gateway, held, objects, unmade_reason
from istio_ambient.gateways._parameters import NAME_LABEL, parameters_name
from istio_ambient.gateways._settings import ServiceType, Settings, TrafficPolicy, parse_settings

__all__ = [
    "KINDS",
    "NAME_LABEL",
    "Gateway",
    "ServiceType",
    "Settings",
    "TrafficPolicy",
    "held",
    "objects",
    "parameters_name",
    "parse_settings",
    "unmade_reason",
]
