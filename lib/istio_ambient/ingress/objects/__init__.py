# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The Kubernetes objects of the ingress: Gateway, routes, policies, Secret. Pure.

Their content is decided in `routing` and `authentication`. `listener_certificate` is imported only
where there is a certificate: the library that reads it takes long to import.
"""

from istio_ambient.ingress.objects._certificate_secret import Secret, secret
from istio_ambient.ingress.objects._cidrs import OPTION as CIDRS
from istio_ambient.ingress.objects._cidrs import parse_cidrs
from istio_ambient.ingress.objects._destination_rules import destination_rules
from istio_ambient.ingress.objects._gateway import gateway
from istio_ambient.ingress.objects._policies import backend_policies, external_traffic_policy
from istio_ambient.ingress.objects._routes import KINDS, routes

__all__ = [
    "CIDRS",
    "KINDS",
    "Secret",
    "backend_policies",
    "destination_rules",
    "external_traffic_policy",
    "gateway",
    "parse_cidrs",
    "routes",
    "secret",
]
