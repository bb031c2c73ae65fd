"""Debian's Chromium, driven by Playwright, and what is seen while a page is open."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# No sandbox, because tests may run as root; and nothing that a browser would do of its own accord.
ARGUMENTS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync
""".split()


class Opened:
    """A page, and what happened since it was opened: messages, errors, requests."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.messages: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))

    def asked(self, script: str) -> Any:
        """What a JavaScript expression gives on the page."""
        return self.page.evaluate(script)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; skips where it or Playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install -e '.[dev]'")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Chromium on the PATH: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """A function that opens a file as a person would who double-clicks it."""
    contexts = []

    def open_here(path: Path, *, width: int = 1280, scheme: str = "light") -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.goto(path.as_uri(), wait_until="load")
        return opened

    yield open_here
    for context in contexts:
        context.close()
