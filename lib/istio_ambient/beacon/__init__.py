# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-beacon-k8s wants of the cluster: waypoint, labels and policies. Pure.

Whether an application may have what it asks for is decided in `authorization`; what is said of
access is in `explain`.
"""

from istio_ambient.beacon._config import Config
from istio_ambient.beacon._desired import Facts, desired, verdicts

__all__ = ["Config", "Facts", "desired", "verdicts"]
