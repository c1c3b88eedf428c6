# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: it is searched, filtered and clicked, and the console stays silent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from istio_ambient import resources
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_page
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.page import models

PATIENCE = 60
"""Seconds for a page to be drawn: the machine may be busy."""
MANY = models.map_of(models.names(300))
SOME = models.map_of(models.names(40))


class Page:
    """A page in the browser, as a person sees and operates it."""

    def __init__(self, browser: webdriver.Chrome, file: Path, shown: access_page.Map):
        file.write_text(access_page.html(shown), encoding="utf-8")
        browser.get(file.as_uri())
        self.browser = browser
        self.wait = WebDriverWait(browser, PATIENCE)
        self.wait.until(lambda _: self.script("return document.documentElement.dataset.ready"))

    def script(self, source: str, *arguments: Any) -> Any:
        return cast(Any, self.browser).execute_script(source, *arguments)

    def element(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    @property
    def panel(self) -> str:
        return self.element("#panel").text

    @property
    def names(self) -> list[str]:
        """The names in the panel."""
        rows = self.browser.find_elements(By.CSS_SELECTOR, "#panel .row .name")
        return [row.text.split("\n")[0] for row in rows]

    def search(self, text: str) -> None:
        field = self.element("#search")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE, text)

    def open(self, name: str) -> None:
        """Click a name in the panel."""
        for row in self.browser.find_elements(By.CSS_SELECTOR, "#panel .row"):
            if row.text.split("\n")[0] == name:
                row.click()
                return
        raise AssertionError(f"{name} is not in the panel: {self.panel}")

    def button(self, text: str) -> None:
        for found in self.browser.find_elements(By.TAG_NAME, "button"):
            if found.text == text:
                found.click()
                return
        raise AssertionError(f"there is no button {text}")

    def click_map(self, x: float, y: float) -> None:
        """Click the map at a place that is counted from its middle."""
        chain = ActionChains(self.browser)
        chain.move_to_element_with_offset(self.element("#map"), round(x), round(y)).click()
        chain.perform()

    def complaints(self) -> list[str]:
        entries = cast(list[dict[str, Any]], cast(Any, self.browser).get_log("browser"))
        return [entry["message"] for entry in entries]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "page.html"


@pytest.fixture
def some(browser: webdriver.Chrome, file: Path) -> Iterator[Page]:
    page = Page(browser, file, SOME)
    yield page
    assert page.complaints() == []


@pytest.fixture
def many(browser: webdriver.Chrome, file: Path) -> Iterator[Page]:
    page = Page(browser, file, MANY)
    yield page
    assert page.complaints() == []


def test_three_hundred_applications_are_searched_and_filtered(many: Page):
    assert len(many.names) > 300
    many.search("catalog-db")
    assert many.names
    assert all("catalog-db" in name for name in many.names)
    many.search("no such name")
    assert many.panel.startswith("0 names found")

    Select(many.element("#filter")).select_by_visible_text("only shop/catalog-db-1")
    assert many.panel.startswith("shop/catalog-db-1")
    assert "May be reached by" in many.panel
    many.button("Show everything")
    assert Select(many.element("#filter")).first_selected_option.text == "everything"
    many.search("")
    many.open("shop/catalog-db-1")
    assert many.panel.startswith("shop/catalog-db-1")
    many.element("#hardened").click()
    assert "preview" in many.element("#mode").text


def test_a_line_says_what_is_allowed_by_which_relation_and_policy(some: Page):
    access = next(
        entry
        for entry in SOME.entries_by_mode[True]
        if isinstance(entry, evaluator.Access) and entry.client is evaluator.Client.IDENTITY
    )
    app = access.destination.removeprefix("shop/")
    Select(some.element("#filter")).select_by_visible_text(f"only {access.destination}")
    some.open(access.source)
    said = some.panel
    assert said.startswith(f"{access.source} → {access.destination}")
    assert f"{access.operations} on {access.ports[0]}" in said
    assert f"shop/policy-{app} rule 0\nsays it was written by\nshop/istio-beacon-k8s" in said
    assert f"says it was requested by\n{app}:service-mesh policies[0]" in said


def test_each_policy_has_its_own_origin(browser: webdriver.Chrome, file: Path):
    owners = {"allow": "evil/app", "allow-web": "shop/beacon", "allow-w": ""}
    refs = tuple(
        evaluator.PolicyRef("shop", name, 0, "ALLOW", metadata={"annotations": annotations})
        for name, owner in owners.items()
        for annotations in [{resources.OWNER_ANNOTATION: owner} if owner else {}]
    )
    accesses = [evaluator.Access("shop/web", "shop/details", "GET", policies=refs)]
    shown = access_page.Map("shop", "model shop", "now", False, {False: accesses, True: []})
    page = Page(browser, file, shown)
    page.open("shop/details")
    page.open("shop/web")
    assert "shop/allow rule 0\nsays it was written by\nevil/app" in page.panel
    assert "shop/allow-web rule 0\nsays it was written by\nshop/beacon" in page.panel
    assert "shop/allow-w rule 0\nwritten by\nnone of these charms" in page.panel


def test_boxes_and_lines_are_clicked_on_the_map(browser: webdriver.Chrome, file: Path):
    accesses = [
        evaluator.Access(f"shop/{source}", f"shop/{target}", "GET /x")
        for source, target in (("left", "middle"), ("middle", "right"))
    ]
    shown = access_page.Map("shop", "model shop", "now", False, {False: accesses, True: []})
    page = Page(browser, file, shown)
    page.click_map(0, 0)
    assert page.panel.startswith("shop/middle")
    for distance in range(10, 600, 10):  # From the box to the right, until a click meets the line.
        page.click_map(distance, 0)
        if "→" in page.panel.split("\n")[0]:
            break
    assert page.panel.startswith("shop/middle → shop/right")
    assert "GET /x" in page.panel
    assert "none applies" in page.panel
    assert page.complaints() == []


def test_hardened_mode_is_switched(some: Page):
    alone = next(
        entry.name
        for entry in SOME.entries_by_mode[True]
        if isinstance(entry, evaluator.Destination)
    )
    some.search(alone)
    some.element("#search").send_keys(Keys.ENTER)
    assert "May be reached by no client" in some.panel
    some.element("#hardened").click()
    assert "any client\neverything" in some.panel
    assert "preview" in some.element("#mode").text
    some.element("#hardened").click()
    assert "May be reached by no client" in some.panel


def test_classes_of_sources_are_hidden(some: Page):
    Select(some.element("#filter")).select_by_visible_text("only shop/cart-api")
    assert "shop/istio-ingress-k8s-istio" in some.names
    some.element('#legend label[data-client="gateway"] input').click()
    assert "shop/istio-ingress-k8s-istio" not in some.names


def test_the_theme_is_switched(some: Page):
    def background() -> str:
        return str(some.script("return getComputedStyle(document.body).backgroundColor"))

    before = background()
    some.button("Dark / light")
    assert background() != before


def test_names_never_become_markup(browser: webdriver.Chrome, file: Path):
    shown = models.hostile()
    page = Page(browser, file, shown)
    names = "[...document.querySelectorAll('#panel .row .name')]"
    found = page.script(f"return {names}.map(each => each.textContent)")
    assert set(found) == {f"shop/{text}{end}" for text in models.HOSTILE for end in ("", "!")}
    for text in models.HOSTILE:
        page.script(f"{names}.find(e => e.textContent === arguments[0]).click()", f"shop/{text}")
        page.script("document.querySelector('#panel .row').click()")
        assert page.script("return document.querySelector('#panel dd').textContent") == text
        page.button("Close")
    assert page.script("return window.hacked") is None
    assert page.script("return document.querySelectorAll('img, iframe, main script').length") == 0
    assert page.script("return document.scripts.length") == 4
    assert page.complaints() == []


def test_the_page_may_load_nothing_and_run_no_other_script(some: Page):
    some.script(
        "const s = document.createElement('script'); s.textContent = 'window.other = 1';"
        "document.body.append(s)"
    )
    assert some.script("return window.other") is None
    reason = some.browser.execute_async_script(  # pyright: ignore[reportUnknownMemberType]
        "const done = arguments[0]; fetch('http://127.0.0.1:1/').then(() => done('loaded'))"
        ".catch(error => done(error.message))"
    )
    assert reason != "loaded"
    refused = some.complaints()
    assert len(refused) >= 2
    assert all("Content Security Policy" in text for text in refused)
