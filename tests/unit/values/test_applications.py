# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options that name applications."""

import pytest
from istio_ambient.values.config import Applications, CharmConfig


class Config(CharmConfig):
    trusted_requesters: Applications = frozenset({"default"})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set[str]()),
        (" , ,\n", set[str]()),
        ("tempo", {"tempo"}),
        ("tempo,loki-2a  mimir-k8s\nx, tempo", {"tempo", "loki-2a", "mimir-k8s", "x"}),
    ],
)
def test_names_stand_with_commas_or_spaces_between_them(text: str, names: set[str]):
    config = Config.model_validate({"trusted_requesters": text})
    assert (config.trusted_requesters, config.problems) == (names, ())


@pytest.mark.parametrize(
    "bad", ["Tempo", "tempo-1", "tempo/0", "*", "a" * 64, "-a", "a-", "a_b", "a:b", "ä", "1a"]
)
def test_a_name_of_no_application_is_reported_and_the_others_stay(bad: str):
    config = Config.model_validate({"trusted_requesters": f"tempo {bad},loki"})
    (problem,) = config.problems
    assert config.trusted_requesters == {"tempo", "loki"}
    assert config.invalid == set()
    assert str(problem).startswith(f"config trusted-requesters: '{bad[:10]}")
    assert problem.remedy


def test_every_invalid_name_is_reported():
    config = Config.model_validate({"trusted_requesters": "A tempo B"})
    assert config.trusted_requesters == {"tempo"}
    assert [problem.message for problem in config.problems] == [
        "'A' is no application",
        "'B' is no application",
    ]
