# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options that name applications."""

import pytest
from istio_ambient.values.applications import trusted_requesters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set[str]()),
        (" , ,\n", set[str]()),
        ("tempo", {"tempo"}),
        ("tempo,loki-2a  mimir-k8s\nx, tempo", {"tempo", "loki-2a", "mimir-k8s", "x"}),
    ],
)
def test_names_are_separated_by_commas_or_spaces(text: str, names: set[str]):
    assert trusted_requesters(text) == (names, ())


@pytest.mark.parametrize(
    "bad", ["Tempo", "tempo-1", "tempo/0", "*", "a" * 64, "-a", "a-", "a_b", "a:b", "ä", "1a"]
)
def test_an_invalid_name_is_a_problem_and_the_others_stay(bad: str):
    names, (problem,) = trusted_requesters(f"tempo {bad},loki")
    assert names == {"tempo", "loki"}
    assert str(problem).startswith(f"config trusted-requesters: '{bad[:10]}")
    assert problem.remedy
