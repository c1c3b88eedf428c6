# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import itertools
import json

import pytest

from tools import generate_crds

from . import _compare, _configurations, _results, _upstream
from ._intended import INTENDED

NUMBERS = range(len(_results.configurations()))


def _name(number: int) -> str:
    return _configurations.describe(_results.configurations()[number]) or "defaults"


@pytest.mark.parametrize("number", NUMBERS, ids=_name)
def test_renders_what_istioctl_renders(number: int):
    assert not _explain(_results.result(number))


def test_generates_the_crds_that_istioctl_installs():
    assert not _explain(_results.compare_crds())


def test_generates_the_crds_of_the_gateway_api():
    folder = _upstream.gateway_api_crds()
    objects = generate_crds.objects_in(sorted(folder.glob("*.yaml")))
    expected = sorted(objects, key=generate_crds.name_of)
    _, _, present = (generate_crds.TARGET / "gateway-api.yaml").read_text().partition("\n")
    assert len(expected) > 10
    assert json.loads(present) == expected


@pytest.mark.parametrize("entry", INTENDED, ids=lambda entry: f"{entry.object} {entry.path}")
def test_every_intended_difference_occurs(entry: _compare.Intended):
    results = [*map(_results.result, NUMBERS), _results.compare_crds()]
    found = [each for result in results for each in result.differences if entry.covers(each)]
    assert found, f"matches nothing, so it is out of date: {entry}"
    assert entry.reason


def test_compares_every_pair_of_values():
    rows = _results.configurations()
    fields = _configurations.VALUES.items()
    for (one, values), (other, others) in itertools.combinations(fields, 2):
        seen = [
            tuple(_configurations.value_of(row, field) for field in (one, other)) for row in rows
        ]
        for pair in itertools.product(values, others):
            assert pair in seen, f"{one} and {other} are never {pair}"


def _explain(result: _results.Result) -> str:
    return "\n".join(
        f"{each.object} {each.path}: ours {each.ours!r}, istioctl's {each.theirs!r}"
        for each in result.unintended
    )
