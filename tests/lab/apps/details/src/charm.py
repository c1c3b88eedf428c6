# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The books' details, which related applications may read."""

import ops
from charmlibs.interfaces.service_mesh import AppPolicy, Endpoint, Method

from tests.lab import apps


class DetailsCharm(apps.BookshopCharm):
    """Allows related applications to read details and health on its port."""

    POLICIES = [  # noqa: RUF012  (a ClassVar in the base)
        AppPolicy(
            relation="details",
            endpoints=[
                Endpoint(methods=[Method.get], paths=["/health", "/details/*"], ports=[apps.PORT])
            ],
        )
    ]


if __name__ == "__main__":
    ops.main(DetailsCharm)
