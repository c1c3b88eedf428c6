# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Kubernetes objects of the ingress: Gateway, routes, policies, Secret. Pure.

Their content is decided in `routing` and `authentication`.
"""

from istio_ambient.ingress.objects._certificate import (
    Secret,
    assemble,
    certificate_fault,
    certificate_in_use,
    certificate_since,
    leaf_in,
    leaf_of,
    secret,
    uncovered,
)
from istio_ambient.ingress.objects._cidrs import parse_cidrs
from istio_ambient.ingress.objects._destination_rules import destination_rules
from istio_ambient.ingress.objects._gateway import gateway
from istio_ambient.ingress.objects._policies import (
    backend_policies,
    cidrs_in_force,
    external_traffic_policy,
    withhold,
)
from istio_ambient.ingress.objects._routes import KINDS, routes

__all__ = [
    "KINDS",
    "Secret",
    "assemble",
    "backend_policies",
    "certificate_fault",
    "certificate_in_use",
    "certificate_since",
    "cidrs_in_force",
    "destination_rules",
    "external_traffic_policy",
    "gateway",
    "leaf_in",
    "leaf_of",
    "parse_cidrs",
    "routes",
    "secret",
    "uncovered",
    "withhold",
]
