# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The engine names no product: it could serve another project as it is."""

import re
from pathlib import Path

import pytest
from istio_ambient import kube

LICENCE_LINES = 2
PRODUCTS = re.compile(r"\b(istio|juju|charms?|waypoints?|ambient|model)\b", re.IGNORECASE)
FILES = sorted(Path(kube.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_text_of_the_engine_names_no_product(file: Path):
    text = "\n".join(file.read_text().splitlines()[LICENCE_LINES:])
    # A name with an underscore is several words here; the library's own name is its import path.
    words = text.replace("istio_ambient", "").replace("_", " ")
    assert PRODUCTS.findall(words) == []
