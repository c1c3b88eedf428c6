# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The table of problems' codes, and the page that is generated from it."""

import re

import pytest
from istio_ambient.values import documentation, problem_codes
from istio_ambient.values.problem_codes import Code

from tools import generate_problems

_AREA_SIZE = 100


def test_numbers_are_unique_and_in_an_area():
    numbers = [code.value.number for code in Code]
    assert len(set(numbers)) == len(numbers) == len(list(Code))
    assert numbers == sorted(numbers)
    areas = {number - number % _AREA_SIZE + 1 for number in numbers}
    assert areas == set(generate_problems.AREAS)


def test_the_page_is_that_of_the_table():
    text = generate_problems.TARGET.read_text()
    assert text == generate_problems.page(), "make generate"
    assert text.startswith("<!-- Generated from ") and "make generate" in text.splitlines()[0]


@pytest.mark.parametrize("code", Code)
def test_a_code_has_an_id_a_link_and_a_section(code: Code):
    assert code.id == f"CI-{code.value.number:03}" == str(code)
    assert problem_codes.code_of(code.id) is code
    assert code.link == f"docs/reference/problems.md#{code.id.lower()}"
    assert f"\n### {code.id}\n" in generate_problems.page()
    for text in (code.value.cause, code.value.remedy):
        assert text.endswith((".", "`", ":"))


@pytest.mark.parametrize("code", Code)
def test_pages_are_named_so_that_they_are_found_without_the_page_of_problems(code: Code):
    for markdown in (code.value.cause, code.value.remedy):
        text = documentation.as_text(markdown)
        assert "](" not in text
        pages = re.findall(r"docs/[a-z/-]+\.md", text)
        assert len(pages) == markdown.count("](")
        assert all((generate_problems.TARGET.parents[2] / page).is_file() for page in pages)


def test_a_link_becomes_an_address_once_there_are_pages():
    link = "Read [this](../how-to/cilium.md#probes), or [that](features.md)."
    assert documentation.as_text(link) == (
        "Read this (docs/how-to/cilium.md#probes), or that (docs/reference/features.md)."
    )
    assert documentation.as_text(link, is_published=True) == (
        f"Read this ({documentation.SITE}/how-to/cilium.html#probes), "
        f"or that ({documentation.SITE}/reference/features.html)."
    )


def test_an_unknown_id_has_no_code():
    assert problem_codes.code_of("CI-000") is None
    assert Code.NOT_PERMITTED < Code.TOKEN_REFUSED
    with pytest.raises(TypeError):
        assert Code.NOT_PERMITTED < 1
