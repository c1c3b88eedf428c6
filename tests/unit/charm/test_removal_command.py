# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""What is told about annotations has the names that objects may have, of earlier releases too."""

import pytest
from istio_ambient import resources
from istio_ambient.charm import _removal


def test_the_command_of_a_removal_names_the_annotation_of_earlier_releases_too(
    caplog: pytest.LogCaptureFixture,
):
    identity = resources.identity("shop", "beacon")
    _removal.tell_command(identity, [resources.Gateway])
    said = "annotation charmed-istio/owner or charmed-istio.io/owner: shop/beacon"
    assert said in caplog.text
