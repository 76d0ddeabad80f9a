"""A real browser without a window, for tests that look at pages and click on them; only for slow ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
"""Where `tools/setup-chromium` looks, too."""

# No sandbox, because tests run as root in containers, and nothing that talks to the world by itself.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Starts one, with a profile of its own that is removed on leaving."""
    found = next((found for program in PROGRAMS if (found := shutil.which(program))), None)
    if found is None:
        raise RuntimeError("no Chromium or Chrome was found: run tools/setup-chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=Path(found), args=OPTIONS)
        try:
            yield started
        finally:
            started.close()
