# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Sample applications: small charms of a bookshop, built on the published consumer library."""

from pathlib import Path

from tests.lab.apps._charm import PORT, BookshopCharm
from tests.lab.apps._ingress import IngressRequirer

PRODUCTPAGE = Path(__file__).parent / "productpage"
DETAILS = Path(__file__).parent / "details"
REVIEWS = Path(__file__).parent / "reviews"
RATINGS = Path(__file__).parent / "ratings"
CERTIFIER = Path(__file__).parent / "certifier"
"""No part of the bookshop: a certificate authority."""
CATALOG = Path(__file__).parent / "catalog"
"""No part of the bookshop: it describes its own routes, also of HTTP/2 and gRPC."""
IDENTITY = Path(__file__).parent / "identity"
ACCOUNT = Path(__file__).parent / "account"
"""No part of the bookshop: an authorizer, and an application that trusts tokens."""
STOCK = Path(__file__).parent / "stock"
"""The complete charm of the tutorial."""
WITNESS = Path(__file__).parent / "witness"
"""No part of the bookshop: it records every event."""

ALL = (PRODUCTPAGE, DETAILS, REVIEWS, RATINGS)
"""The bookshop's charm folders, for `Model.deploy`."""

__all__ = [
    "ACCOUNT",
    "ALL",
    "CATALOG",
    "CERTIFIER",
    "DETAILS",
    "IDENTITY",
    "PORT",
    "PRODUCTPAGE",
    "RATINGS",
    "REVIEWS",
    "STOCK",
    "WITNESS",
    "BookshopCharm",
    "IngressRequirer",
]
