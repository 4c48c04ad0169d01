"""One real Chromium for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page


@dataclass
class Opened:
    """A page in the browser, and all that it did: what it said, asked for and popped up."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    popped: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens text as a file, in a profile of its own."""

    def dismiss(one: Opened, dialog: Dialog) -> None:
        one.popped.append(dialog.message)
        dialog.dismiss()

    with ExitStack() as stack:

        def start(text: str, width: int = 1280, scheme: str = "light", **more: Any) -> Opened:
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, **more
            )
            stack.callback(context.close)
            one = Opened(context.new_page())
            one.page.on("console", lambda message: one.said.append(message.text))
            one.page.on("pageerror", lambda error: one.said.append(str(error)))
            one.page.on("request", lambda request: one.asked.append(request.url))
            one.page.on("dialog", lambda dialog: dismiss(one, dialog))
            path = tmp_path / "page.html"
            path.write_text(text, encoding="utf-8")
            one.page.goto(path.as_uri(), wait_until="load")
            return one

        yield start
