# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The page for authors of charms has every field of a rule, and an example that is valid."""

import json

from istio_ambient.interfaces import istio_request_auth

from tests.unit.docs import pages

PAGE = "how-to/tokens-in-a-charm.md"
MARKER = "held equal to the code: tests/unit/docs/test_tokens_in_a_charm.py"


def test_the_table_has_the_fields_of_a_rule():
    shown = {pages.quoted(row[0])[0]: row[1] for row in pages.table(PAGE, MARKER)}
    fields = istio_request_auth.JwtRule.model_fields
    assert shown == {
        name: "required" if field.is_required() else "optional" for name, field in fields.items()
    }


def test_the_example_is_valid():
    _, _, after = (pages.DOCS / PAGE).read_text().partition("```json\n")
    example = json.loads(after.partition("```")[0])
    databag = {istio_request_auth.KEY: json.dumps(example)}
    rules, problems = istio_request_auth.parse(databag, app="account", endpoint="tokens")
    assert problems == []
    assert len(rules) == len(example)


def test_the_limits_are_those_of_the_interface():
    text = (pages.DOCS / PAGE).read_text()
    limits = f"{istio_request_auth.MAX_RULES} rules, {istio_request_auth.MAX_VALUES} values"
    assert limits in text
