"""Pictures of the report for the documentation, by `make screenshots`: a page, and the folder of the pictures.

Chromium is the one of the machine, driven by Playwright; no browser is ever downloaded.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Error, sync_playwright

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
LIMIT_BYTES = 250_000


@dataclass(frozen=True)
class Screenshot:
    """One picture. `anchor` is the section that it begins with; empty: the top of the page."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    anchor: str = ""


PICTURES = (
    Screenshot("report_light.png", 1280, 900, "light"),
    Screenshot("report_trends.png", 1280, 760, "light", "kpis"),
    Screenshot("report_phone_dark.png", 390, 844, "dark"),
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


def take(page: Path, folder: Path) -> list[Path]:
    """Writes all pictures of the page.

    Raises:
        RuntimeError: no browser, or a picture that is too large for a repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with chromium() as browser:
        for one in PICTURES:
            tab = browser.new_page(
                viewport={"width": one.width, "height": one.height}, color_scheme=one.scheme
            )
            tab.goto(page.resolve().as_uri() + (f"#{one.anchor}" if one.anchor else ""))
            path = folder / one.name
            tab.screenshot(path=path, animations="disabled")
            tab.close()
            if path.stat().st_size > LIMIT_BYTES:
                raise RuntimeError(
                    f"{path} has {path.stat().st_size:,} bytes, over {LIMIT_BYTES:,}"
                )
            written.append(path)
    return written


def main() -> None:
    """Takes them, and says what was written; exit code 2 when it could not."""
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        written = take(page, folder)
    except (RuntimeError, Error) as error:
        print(f"screenshots: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(2)
    for path in written:
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
