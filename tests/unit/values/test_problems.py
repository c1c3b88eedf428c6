# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


def test_a_problem_is_one_line_with_application_endpoint_field_and_remedy():
    problem = Problem(
        "details",
        "service-mesh",
        "policies[0]",
        "not an object",
        "use an object",
        code=Code.INVALID_ENTRY,
    )
    assert str(problem) == "details:service-mesh policies[0]: not an object; use an object"
    assert (
        str(Problem("", "config", "x", "wrong", "", code=Code.INVALID_ENTRY)) == "config x: wrong"
    )


def test_text_from_outside_is_printable_and_cut():
    problem = Problem(
        "a",
        "e",
        "policies[0].\ud800\n\x1b[31m" + "x" * 10_000,
        "m" * 10_000,
        "c",
        code=Code.INVALID_ENTRY,
    )
    text = str(problem)
    assert text.encode()
    assert text.isprintable()
    assert len(text) < 1000
