"""Pictures of the report for the documentation: `python -m scripts.screenshots target/report.html docs/images`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.browser import chromium

LIMIT_BYTES = 200_000


@dataclass(frozen=True)
class Picture:
    """One picture. `anchor` is the section that it begins with; empty: the top of the page."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    anchor: str = ""


PICTURES = (
    Picture("report_light.png", 1280, 900, "light"),
    Picture("report_trends.png", 1280, 760, "light", "kpis"),
    Picture("report_phone_dark.png", 390, 844, "dark"),
)


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
    """Takes them, and says what was written."""
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for path in take(page, folder):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
