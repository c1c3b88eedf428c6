# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The books' details: other applications may read them, and nothing else."""

import ops
from charmlibs.interfaces.service_mesh import AppPolicy, Endpoint, Method

from tests.lab import apps


class DetailsCharm(apps.BookshopCharm):
    """Lets its callers read details and health on its port."""

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
