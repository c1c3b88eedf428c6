# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every `juju run` line of the documentation can be typed: Juju takes its parameters."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import action_parameters

ROOT = Path(__file__).parents[2]
METADATA: dict[str, dict[str, Any]] = {
    path.parent.name: yaml.safe_load(path.read_text())
    for path in sorted(ROOT.glob("*s/*/charmcraft.yaml"))
}
BOOKSHOP = ("productpage", "details", "reviews", "ratings")
ALIASES = {
    "beacon": "istio-beacon-k8s",
    "ingress": "istio-ingress-k8s",
    **dict.fromkeys(BOOKSHOP, "bookshop"),
}
"""Names under which pages deploy our charms."""
FOREIGN = frozenset({"get-admin-password"})
"""Actions of other charms."""
PAGES = [
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/**/*.md",
        "charms/*/*.md",
        "charms/*/charmcraft.yaml",
    )
    for path in sorted(ROOT.glob(pattern))
]
MODEL = r"(?:(?:-m|--model)[ =][a-z0-9-]+ )?"
LINE = re.compile(rf"juju run {MODEL}([a-z0-9-]+/(?:\d+|leader)) ([^`\n]*)")
WITH_VALUE = ("--format", "--wait", "-m", "--model")


def commands() -> list[Any]:
    """Return every `juju run` of the documentation: unit, action and parameters."""
    found: list[Any] = []
    for page in PAGES:
        for unit, rest in LINE.findall(page.read_text()):
            # Comments, pipes and redirections are the shell's; `…` stands for any parameters.
            words = shlex.split(re.split(r"\s[|>…]|\s#|\.results", rest)[0], comments=True)
            if words and words[0] not in FOREIGN:
                label = f"{page.relative_to(ROOT)}: {' '.join(words)}"
                found.append(pytest.param(unit.partition("/")[0], words, id=label))
    return found


def own_parameters(words: list[str]) -> list[str]:
    """Return the words that are parameters, without options of the juju client."""
    kept = [
        "" if previous in WITH_VALUE else word
        for previous, word in zip(["", *words], words, strict=False)
    ]
    return [
        word for word in kept if word and (word == "--string-args" or not word.startswith("-"))
    ]


@pytest.mark.parametrize(("app", "words"), commands())
def test_a_documented_action_can_be_typed(app: str, words: list[str]):
    metadata = METADATA[ALIASES.get(app, app)]
    action = metadata["actions"][words[0]]
    action_parameters.parameters(own_parameters(words[1:]), action)


def test_the_documentation_has_every_action():
    documented = {words[0] for each in commands() for words in [each.values[1]]}
    declared = {name for metadata in METADATA.values() for name in metadata["actions"]}
    assert declared <= documented


HEADERS = {"params": {"headers": {"type": "object"}, "url": {"type": "string"}}}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["headers=x-tenant: blue"], {"headers": {"x-tenant": "blue"}}),
        (["headers.x-tenant=blue", "headers.x=1"], {"headers": {"x-tenant": "blue", "x": 1}}),
        (["headers={a: b, c: d/e}"], {"headers": {"a": "b", "c": "d/e"}}),
        (["url=http://shop:80/a?b=c"], {"url": "http://shop:80/a?b=c"}),
        (["url=10:30"], {"url": "10:30"}),
        (["url=2026-01-01"], {"url": "2026-01-01"}),
        (["url='yes'"], {"url": "yes"}),
        (["url="], {"url": ""}),
        (["--string-args", "url=yes"], {"url": "yes"}),
    ],
)
def test_values_are_read_as_juju_reads_them(typed: list[str], expected: dict[str, Any]):
    assert action_parameters.parameters(typed, HEADERS) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("010", 8),
        ("0x1f", 31),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("y", True),
        ("off", False),
        ("~", None),
    ],
)
def test_scalars_are_those_of_juju(value: str, expected: object):
    found = action_parameters.parameters([f"any={value}"], {})["any"]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "typed",
    [
        ["url=yes"],
        ["url=5"],
        ["headers=x-tenant: blue; accept: text/html"],
        ["headers=blue"],
        ['url=[2026-01-01T00:00:00.000Z] "GET / HTTP/1.1" 403'],
        ["Url=x"],
        ["url"],
    ],
)
def test_what_juju_refuses_is_refused(typed: list[str]):
    with pytest.raises(action_parameters.TypedParameterError):
        action_parameters.parameters(typed, HEADERS)


def test_a_required_parameter_and_a_default_are_those_of_the_schema():
    action = METADATA["istio-beacon-k8s"]["actions"]["list-access"]
    assert action_parameters.parameters([], action)["format"] == "table"
    with pytest.raises(action_parameters.TypedParameterError, match="'nowhere' was unexpected"):
        action_parameters.parameters(["nowhere=1"], action)
