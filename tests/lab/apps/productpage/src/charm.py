# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The shop's web page: it calls details and reviews, and requests no access."""

import ops

from tests.lab import apps


class ProductpageCharm(apps.BookshopCharm):
    """Calls other applications, and requests no access for its callers."""


if __name__ == "__main__":
    ops.main(ProductpageCharm)
