# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page about backups says of each object of istiod's authority whether a removal keeps it."""

from istio_ambient import kube, manifests
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from tests.unit.docs import pages

PAGE = "how-to/back-up.md"
MARKER = "held equal to the code: tests/unit/docs/test_back_up.py"


def outcomes() -> dict[str, list[str]]:
    """Return the columns of the table by what the first one says."""
    return {row[0]: row[1:] for row in pages.table(PAGE, MARKER)}


def test_the_key_of_the_mesh_is_kept_unless_the_option_says_otherwise():
    found = outcomes()
    for kind, name in manifests.ROOT_CA:
        assert found[f"{kind.__name__} `{name}`"][:2] == ["kept", "deleted"]
    assert sum(what.startswith("Secret ") for what in found) == len(manifests.ROOT_CA)


def test_what_istiod_makes_for_itself_is_deleted():
    made = {(kind.__name__, name) for kind, names in manifests.MADE_BY_ISTIOD for name in names}
    assert ("ConfigMap", "istio-ca-root-cert") in made
    (row,) = (cells for what, cells in outcomes().items() if "`istio-ca-root-cert`" in what)
    assert row[:2] == ["deleted", "deleted"]


def test_definitions_are_kept():
    assert kube.is_kept(CustomResourceDefinition)
    (row,) = (cells for what, cells in outcomes().items() if "Definitions" in what)
    assert row[:2] == ["kept", "kept"]
