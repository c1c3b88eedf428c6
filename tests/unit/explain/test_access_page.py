# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The page's HTML: data that is never markup, and a policy that allows its own scripts only.

tests/page opens the page in a browser.
"""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_list, access_page

from tests.unit.authorization.evaluator import samples
from tests.unit.explain import bookshop


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the libraries, which `tools/page_libraries` fetches."""
    monkeypatch.setattr(access_page, "LIBRARIES", ())


class Parts(HTMLParser):
    """The tags of a page, and its Content-Security-Policy."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.policy = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named.get("content") or ""


def shown(*accesses: evaluator.Access, scope: str = "model shop") -> access_page.Map:
    return access_page.Map("shop", scope, "now", True, {True: accesses, False: ()})


def embedded(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_has_the_list_of_both_modes():
    facts = bookshop.facts()
    by_mode = {
        True: access_list.access_list(
            bookshop.snapshot(facts, *samples.hardened()), "shop"
        ).entries,
        False: access_list.access_list(bookshop.snapshot(facts), "shop").entries,
    }
    data = embedded(access_page.html(access_page.Map("shop", "model shop", "now", True, by_mode)))
    assert (data["model"], data["scope"], data["made"], data["hardened"]) == (
        "shop",
        "model shop",
        "now",
        True,
    )
    for mode, entries in by_mode.items():
        expected = [{**access_list.data(entry), "hardened": mode} for entry in entries]
        assert [each for each in data["entries"] if each["hardened"] is mode] == json.loads(
            json.dumps(expected)
        )


@given(st.text(), st.text(alphabet="<>/!-&'\"script\u2028\u2029 ", max_size=40))
def test_names_are_data_and_never_markup(text: str, markup: str):
    plain = Parts(access_page.html(shown()))
    page = access_page.html(shown(evaluator.Access(text, markup, markup + text), scope=markup))
    assert Parts(page).tags == plain.tags
    data = embedded(page)
    assert data["scope"] == markup
    assert [(e["source"], e["target"], e["operations"]) for e in data["entries"]] == [
        (text, markup, markup + text)
    ]


def test_the_policy_allows_the_scripts_and_the_style_sheet_of_the_page_and_nothing_else():
    page = access_page.html(shown())
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style [^>]*>(.*?)</style>", page, re.DOTALL)
    directives = dict(each.split(" ", 1) for each in Parts(page).policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == hash_of(script)
    assert directives["style-src"] == hash_of(style)


def hash_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_a_charm_without_the_libraries_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access_page, "LIBRARIES", ("absent.js",))
    with pytest.raises(access_page.NotBuiltError, match=r"absent\.js: run make bootstrap"):
        access_page.html(shown())


def test_a_picture_of_many_arrows_names_the_page_instead():
    many = [evaluator.Access(f"shop/a{n}", "shop/b", "GET") for n in range(41)]
    svg = access_list.forms("Access")["svg"]
    assert svg(many[:40]).startswith("<svg")
    with pytest.raises(
        access_list.TooLargeError, match="41 arrows are illegible; use format=html"
    ):
        svg(many)


def test_the_words_of_the_page_are_those_of_the_list():
    found = embedded(access_page.html(shown()))["words"]
    assert found == {**access_list.NAMES, "everything": evaluator.ANY_OPERATION}
    scripts = "".join(map(access_page._text, access_page.SCRIPTS))
    assert not [word for word in access_list.NAMES.values() if f'"{word}"' in scripts]
