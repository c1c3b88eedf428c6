# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Charms for the lab alone, built on the published libraries; the bookshop is in `examples/`."""

from pathlib import Path

from tests.lab.apps._ingress import IngressRequirer

PORT = 9080
"""The port of every application."""

STOREFRONT = Path(__file__).parent / "storefront"
"""It has options for what it requests of an ingress."""
CERTIFIER = Path(__file__).parent / "certifier"
"""A certificate authority."""
CATALOG = Path(__file__).parent / "catalog"
"""It describes its own routes, also of HTTP/2 and gRPC."""
IDENTITY = Path(__file__).parent / "identity"
ACCOUNT = Path(__file__).parent / "account"
"""An authorizer, and an application that trusts tokens."""
STOCK = Path(__file__).parent / "stock"
"""The complete charm of the tutorial about writing one."""
WITNESS = Path(__file__).parent / "witness"
"""It records every event."""

__all__ = [
    "ACCOUNT",
    "CATALOG",
    "CERTIFIER",
    "IDENTITY",
    "PORT",
    "STOCK",
    "STOREFRONT",
    "WITNESS",
    "IngressRequirer",
]
