# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The desired objects of istio-beacon-k8s: waypoint, labels and policies. Pure.

Whether an access request is granted is decided in `authorization`; reports about access are in
`explain`.
"""

from istio_ambient.beacon._config import Config
from istio_ambient.beacon._desired import desired
from istio_ambient.beacon._exposures import Exposure, IngressFacts, exposures, settings_in_force
from istio_ambient.beacon._extra_access import ExtraAccess
from istio_ambient.beacon._extra_access import parse as parse_extra_access
from istio_ambient.beacon._extra_requests import REQUESTER as EXTRA_REQUESTER
from istio_ambient.beacon._extra_requests import ExtraRequests, established
from istio_ambient.beacon._extra_requests import requests as extra_requests
from istio_ambient.beacon._facts import Facts

__all__ = [
    "EXTRA_REQUESTER",
    "Config",
    "Exposure",
    "ExtraAccess",
    "ExtraRequests",
    "Facts",
    "IngressFacts",
    "desired",
    "established",
    "exposures",
    "extra_requests",
    "parse_extra_access",
    "settings_in_force",
]
