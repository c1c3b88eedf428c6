# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluator agrees with the real waypoint and, where there is one, the real ztunnel."""

from collections.abc import Iterator

import pytest
from istio_ambient.authorization.evaluator import Decision

from tests import lab
from tests.lab import conftest, juju
from tests.lab.truth import _batches, _bed, _listed, _minimal, _trial

PAIRS, SEED = 400, 1


@pytest.fixture(scope="module")
def bed(cluster: lab.Cluster, control_plane: juju.Model) -> Iterator[_bed.Bed]:
    """The mesh under test."""
    made = _bed.Bed(cluster, control_plane.name)
    with made.laid_out():
        yield made


def test_the_evaluator_agrees_with_the_proxies(bed: _bed.Bed):
    trial = _trial.Trial(bed, print)
    trial.run(_batches.batches(PAIRS, SEED, bed.root, bed.guarded))
    trial.compare_reasons()
    first = [str(_minimal.reduced(bed, each)) for each in trial.tally.disagreements[:1]]
    assert not trial.tally.disagreements, "\n".join([str(trial.tally), *first])
    assert trial.tally.kinds.total() == PAIRS
    assert not bed.senders or trial.tally.senders > PAIRS / 10
    kinds = [kind for kind in _trial.Kind if kind is not _trial.Kind.CONDITIONAL]
    assert all(trial.tally.share(kind) >= 0.1 for kind in kinds), trial.tally.kinds


@pytest.mark.parametrize("hardened", [False, True], ids=["default", "hardened"])
def test_pods_get_what_the_list_of_access_says(bed: _bed.Bed, hardened: bool):
    # It chooses the way of a pod's requests.
    conftest.need_ztunnel(bed.cluster)
    counts, wrong = _listed.compare(bed, hardened=hardened)
    assert not wrong, "\n".join(wrong)
    assert all(counts[each] > 30 for each in (Decision.ALLOWED, Decision.DENIED)), counts
    assert not counts[Decision.CONDITIONAL]
