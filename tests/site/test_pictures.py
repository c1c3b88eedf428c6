# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The browser draws every picture of the site, with what the site itself has."""

import re
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
PAGES = sorted(
    str(page.relative_to(SITE))
    for page in SITE.rglob("*.html")
    if '<pre class="mermaid">' in page.read_text()
)


CONTENT = {"flowchart-v2": ".node", "sequence": ".actor", "xychart": "[class*=plot] path"}
"""What a picture of each kind has, for a CSS selector."""


def test_there_are_pictures():
    assert PAGES


def drawings(browser: webdriver.Chrome) -> list[WebElement]:
    """Return the pictures of the page, once all are drawn."""
    pictures = browser.find_elements(By.CSS_SELECTOR, "pre.mermaid")
    WebDriverWait(browser, 60).until(
        lambda _: all(picture.get_attribute("data-processed") for picture in pictures)
    )
    return [picture.find_element(By.TAG_NAME, "svg") for picture in pictures]


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_drawn(browser: webdriver.Chrome, page: str):
    browser.get_log("browser")  # pyright: ignore[reportUnknownMemberType]  # of the page before
    browser.get(f"file://{SITE / page}")
    for drawing in drawings(browser):
        kind = drawing.get_attribute("aria-roledescription")
        assert drawing.find_elements(By.CSS_SELECTOR, CONTENT[str(kind)])
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    assert not severe


def test_pictures_have_the_colours_of_the_theme(browser: webdriver.Chrome):
    browser.get(f"file://{SITE / PAGES[0]}")
    colours: set[str] = set()
    for theme in ("light", "dark"):
        browser.execute_script("document.body.dataset.theme = arguments[0]", theme)  # pyright: ignore[reportUnknownMemberType]
        first = drawings(browser)[0].find_element(By.CSS_SELECTOR, ".node rect")
        colours.add(first.value_of_css_property("fill"))  # pyright: ignore[reportUnknownMemberType]
    assert len(colours) == 2


def test_pages_need_nothing_of_other_servers():
    assert (SITE / "index.html").exists()
    for page in SITE.rglob("*.html"):
        elements = re.findall(r"<(?:script|link|img)\b[^>]*>", page.read_text())
        assert not [element for element in elements if re.search('="(https?:)?//', element)], page
