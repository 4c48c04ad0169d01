"""The Chromium of the machine, driven by Playwright; no browser is ever downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PROGRAM = "chromium"
INSTALL = "apt-get install chromium"
# No sandbox: containers run as root. The others keep the browser from calling anybody by itself.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def installed() -> str | None:
    """The path of the browser; None without one."""
    return shutil.which(PROGRAM)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a fresh profile.

    Raises:
        RuntimeError: none is installed.
    """
    program = installed()
    if program is None:
        raise RuntimeError(f"{PROGRAM} is not installed: {INSTALL}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless=new", *FLAGS]
        )
        try:
            yield browser
        finally:
            browser.close()
