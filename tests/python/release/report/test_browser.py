"""The page in a real Chromium: closed to the world, escaped, and for everybody to read."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe

from mbp.release.report.report_page import page
from tests.python.release.report.conftest import Open, Opened
from tests.python.release.report.sample import everywhere, facts

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>\"'`<i>`"
CREATED = "script, img, i, [onerror], [onload], iframe, object"
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"


@pytest.fixture(scope="module")
def good() -> str:
    return page(facts())


def serious(one: Opened) -> list[str]:
    found = Axe().run(one.page).response["violations"]
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def test_it_opens_from_a_file_and_asks_nobody(opened: Open, good: str) -> None:
    one = opened(good)
    assert one.page.title() == "M2: NO-GO"
    assert one.page.locator("h1").inner_text() == "NO-GO"
    assert one.said == []
    assert one.popped == []
    assert one.asked[0].startswith("file:")
    assert all(url.startswith("data:") for url in one.asked[1:]), one.asked
    # The style is applied: its hash is the one that the policy allows.
    colour = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(245, 246, 248)"


def test_the_policy_of_the_page_stops_what_it_is_to_stop(opened: Open, good: str) -> None:
    spoiled = '<script>alert(9)</script><img src="https://example.com/x.png"><b style="color:red">'
    one = opened(good.replace("</main>", f"{spoiled}</main>"))
    assert one.popped == []
    assert len(one.said) >= 3


def test_a_hostile_name_makes_no_element_and_no_dialog(opened: Open) -> None:
    # Without the policy: that texts are escaped has to hold by itself.
    one = opened(page(everywhere(facts(), HOSTILE)), bypass_csp=True)
    assert one.page.locator(CREATED).count() == 0
    assert one.popped == []
    assert "<script>alert(1)</script>" in one.page.locator("#watchers").inner_text()
    assert "<script>alert(1)</script>" in (
        one.page.locator("svg.chart title").first.text_content() or ""
    )


def test_a_text_that_is_not_escaped_would_be_noticed(opened: Open, good: str) -> None:
    one = opened(good.replace("</main>", f"{HOSTILE}</main>"), bypass_csp=True)
    assert one.popped != []
    assert one.page.locator(CREATED).count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_serious(opened: Open, good: str, width: int, scheme: str) -> None:
    one = opened(good, width=width, scheme=scheme)
    one.page.evaluate(OPEN_ALL)
    assert serious(one) == []


def test_axe_would_find_something(opened: Open, good: str) -> None:
    assert serious(opened(good.replace('<html lang="en">', "<html>")))


def test_headings_go_down_one_step_at_a_time(opened: Open, good: str) -> None:
    script = "[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))"
    levels = opened(good).page.evaluate(script)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("width", [1280, 320])
def test_the_keyboard_reaches_everything(opened: Open, good: str, width: int) -> None:
    one = opened(good, width=width)
    one.page.keyboard.press("Tab")
    skip = one.page.locator(".skip")
    assert skip.evaluate("one => one === document.activeElement")
    assert (skip.bounding_box() or {"y": -1})["y"] >= 0
    reached = 0
    wanted = one.page.locator("a, summary, [role=region]").evaluate_all(
        "all => all.filter(one => one.checkVisibility()).length"
    )
    while one.page.evaluate("document.activeElement !== document.body"):
        outline = one.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", one.page.evaluate("document.activeElement.outerHTML")
        reached += 1
        assert reached <= wanted
        one.page.keyboard.press("Tab")
    assert reached == wanted
    skip.focus()
    one.page.keyboard.press("Enter")
    assert one.page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("width", [320, 800])
def test_the_page_does_not_scroll_sideways(opened: Open, good: str, width: int) -> None:
    one = opened(good, width=width)
    one.page.evaluate(OPEN_ALL)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_name_without_end_is_broken(opened: Open) -> None:
    one = opened(page(everywhere(facts(), "m" * 300)), width=320)
    one.page.evaluate(OPEN_ALL)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_prints_light_whole_and_unfolded(opened: Open, good: str, scheme: str) -> None:
    one = opened(good, width=720, scheme=scheme)
    one.page.emulate_media(media="print", color_scheme=scheme)
    assert one.page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 28, 36)"
    assert one.page.locator("h1").is_visible()
    folded = one.page.locator("details table")
    assert folded.count() > 3
    seen = (
        "all => all.every(one => one.checkVisibility() && one.getBoundingClientRect().height > 20)"
    )
    assert folded.evaluate_all(seen)
    cut = one.page.locator(".scroll").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
    )
    assert cut == []


def test_it_is_written_as_a_pdf_with_its_verdict(opened: Open, good: str) -> None:
    printed = opened(good).page.pdf(format="A4", tagged=True)
    assert printed.startswith(b"%PDF")
    pieces = printed.split(b"stream\n")
    inflated = b"".join(
        zlib.decompressobj().decompress(piece) for piece in pieces if piece[:1] == b"x"
    )
    assert b"NO-GO" in printed + inflated
