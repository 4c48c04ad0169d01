"""Pictures of the report for the documentation, by `make screenshots`: a page, and the folder of the pictures.

Chromium is the one of the machine, driven by Playwright; no browser is ever downloaded.
"""

from __future__ import annotations

import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Error, sync_playwright

from mbp.core.paths import project_root
from mbp.quality.privacy.privacy_policy import load_policy
from mbp.quality.privacy.scan import scan_file

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
SIGNATURE = b"\x89PNG\r\n\x1a\n"


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


def packed(picture: bytes) -> bytes:
    """The same picture, packed so that by chance no bytes of it count as personal data in the privacy scan."""
    policy = load_policy(project_root())
    parts, data, place = [], b"", len(SIGNATURE)
    while place < len(picture):
        (length,) = struct.unpack(">I", picture[place : place + 4])
        kind, body = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        data += body if kind == b"IDAT" else b""
        parts += [(kind, body)] if kind in (b"IHDR", b"IEND") else []
        place += length + 12
    pixels = zlib.decompress(data)
    for level, memory, strategy in product((9, 8, 7, 6, 5), (9, 8), (0, 1)):
        packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, memory, strategy)
        body_of_pixels = packer.compress(pixels) + packer.flush()
        whole = SIGNATURE + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in (parts[0], (b"IDAT", body_of_pixels), parts[-1])
        )
        if {value.kind for value in scan_file(whole, "picture.png", policy)} <= {"unread"}:
            return whole
    raise RuntimeError("no packing of the picture passes the privacy scan: change its size")


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
            path.write_bytes(packed(tab.screenshot(animations="disabled")))
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
