# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The books' reviews: they call ratings."""

import ops
from charmlibs.interfaces.service_mesh import AppPolicy, Endpoint

from tests.lab import apps


class ReviewsCharm(apps.BookshopCharm):
    """Allows related applications any request to its port."""

    POLICIES = [  # noqa: RUF012  (a ClassVar in the base)
        AppPolicy(relation="reviews", endpoints=[Endpoint(ports=[apps.PORT])])
    ]


if __name__ == "__main__":
    ops.main(ReviewsCharm)
