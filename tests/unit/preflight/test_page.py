# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page of platforms is that of the table."""

from istio_ambient import manifests, preflight

from tools import generate_platforms


def test_the_page_is_that_of_the_table():
    text = generate_platforms.TARGET.read_text()
    assert text == generate_platforms.page(), "make generate"
    assert text.startswith("<!-- Generated from ") and "make generate" in text.splitlines()[0]


def test_the_page_has_every_condition_and_platform():
    text = generate_platforms.page()
    for condition in preflight.CONDITIONS:
        assert f"| {condition.reads} | {condition.wrong} |" in text
        assert f"(problems.md#{condition.code.id.lower()})" in text
        assert all(source.rpartition(": ")[2] in text for source in condition.sources)
    assert all(f"| `{platform}` |" in text for platform in manifests.PLATFORMS if platform)
