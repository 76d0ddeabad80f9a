"""The page in a real browser: nothing is loaded, nothing overflows a phone, dots say which trial they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from search.reporting.page.page import page
from tests.browser import browser
from tests.search.reporting.finalist_fakes import with_finalists
from tests.search.reporting.page.test_page import whole

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 800}
SCREEN = {"width": 1100, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(with_finalists(whole()), datetime(2026, 11, 24)), encoding="utf-8")
    return path


def opened(
    chromium: Browser, file: Path, *, phone: bool = False, dark: bool = False
) -> tuple[Page, list[str]]:
    """The page, and what went wrong or was asked for from elsewhere."""
    shown = chromium.new_page(
        viewport=PHONE if phone else SCREEN,  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
    )
    wrong: list[str] = []
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda message: wrong.append(message.text))
    shown.on(
        "request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None
    )
    shown.goto(file.as_uri())
    return shown, wrong


@pytest.mark.parametrize("phone", [False, True])
def test_it_fits_the_screen_and_asks_for_nothing(chromium: Browser, file: Path, phone: bool) -> None:
    shown, wrong = opened(chromium, file, phone=phone)
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wrong == []
    # Drawings that are shown, and the least size of their letters on this screen.
    smallest = shown.evaluate(
        """Math.min(...[...document.querySelectorAll("svg")].filter((svg) => svg.getClientRects().length)
           .map((svg) => 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"""
    )
    assert smallest > 9
    shown.close()


def test_pointing_at_a_dot_names_its_trial_and_marks_it_in_every_chart(chromium: Browser, file: Path) -> None:
    shown, wrong = opened(chromium, file)
    x, y, trial = shown.evaluate(
        """(() => {
          const path = document.querySelector("#history .on-wide .dots.tensorflow");
          path.scrollIntoView({block: "center"});
          const [, x, y] = path.getAttribute("d").match(/M([\\d.]+) ([\\d.]+)/);
          const at = new DOMPoint(+x, +y).matrixTransform(path.ownerSVGElement.getScreenCTM());
          return [at.x, at.y, path.dataset.t.split(" ")[0]];
        })()"""
    )
    shown.mouse.move(x, y)
    expect(shown.locator("#tip")).to_have_text(re.compile(rf"^trial {trial}: 0\."))
    expect(shown.locator("#tip")).to_contain_text("tensorflow")
    assert shown.locator(".picked").count() > 3
    shown.mouse.move(2, 2)
    expect(shown.locator("#tip")).to_be_hidden()
    expect(shown.locator(".picked")).to_have_count(0)
    assert wrong == []
    shown.close()


def test_sections_are_reached_and_text_is_copied_by_a_click(chromium: Browser, file: Path) -> None:
    shown, wrong = opened(chromium, file)
    shown.locator("nav a", has_text="Mistakes").click()
    assert shown.evaluate("location.hash") == "#mistakes"
    top = shown.locator("#mistakes h2").bounding_box()
    assert top is not None
    assert 0 < top["y"] < 400
    shown.locator("summary", has_text="Use this configuration again").click()
    shown.locator("#answer details pre button").click()
    expect(shown.locator("#answer details pre button")).to_have_text("Copied")  # the clipboard answers later
    assert wrong == []
    shown.close()


def test_dark_is_dark_and_print_has_all_but_what_is_for_a_screen(chromium: Browser, file: Path) -> None:
    shown, _ = opened(chromium, file, dark=True)
    paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(shown.evaluate(paper)) < 60
    shown.emulate_media(media="print")
    assert min(shown.evaluate(paper)) == 255
    assert shown.locator("nav").is_hidden()
    assert shown.locator("#history .on-wide svg").is_visible()
    assert shown.pdf(format="A4").startswith(b"%PDF")
    shown.close()
