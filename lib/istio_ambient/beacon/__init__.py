# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The desired objects of istio-beacon-k8s: waypoint, labels and policies. Pure.

Whether an access request is granted is decided in `authorization`; reports about access are in
`explain`.
"""

from istio_ambient.beacon._desired import desired
from istio_ambient.beacon._facts import Facts

__all__ = ["Facts", "desired"]
