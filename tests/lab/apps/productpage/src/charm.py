# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The shop's front: it calls details and reviews, and asks for no policies."""

import ops

from tests.lab import apps


class ProductpageCharm(apps.BookshopCharm):
    """Whoever the mesh lets through may reach it."""


if __name__ == "__main__":
    ops.main(ProductpageCharm)
