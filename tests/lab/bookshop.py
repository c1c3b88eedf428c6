# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The bookshop in a model of the lab. Its requests are in `tests.scenarios.bookshop`."""

from tests.lab import backend, juju
from tests.scenarios import bookshop

CHARM = backend.folder(bookshop.CHARM)
"""The charm of all four applications; the lab's echo application is its workload."""
PORT = bookshop.PORT


def deploy(model: juju.Model, *roles: str, mesh: str | None = None) -> None:
    """Deploy applications of the bookshop, each under the name of its role.

    Args:
        model: where to.
        roles: of `tests.scenarios.bookshop.APPLICATIONS`.
        mesh: the endpoint of a beacon, to integrate them with.
    """
    for role in roles:
        model.deploy(CHARM, role, config={"role": role})
        if mesh:
            model.integrate(f"{role}:service-mesh", mesh)
