# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The books' ratings, which related applications may read."""

import ops
from charmlibs.interfaces.service_mesh import AppPolicy, Endpoint, Method

from tests.lab import apps


class RatingsCharm(apps.BookshopCharm):
    """Allows related applications to read ratings on its port."""

    POLICIES = [  # noqa: RUF012  (a ClassVar in the base)
        AppPolicy(
            relation="ratings",
            endpoints=[Endpoint(methods=[Method.get], paths=["/ratings/*"], ports=[apps.PORT])],
        )
    ]


if __name__ == "__main__":
    ops.main(RatingsCharm)
