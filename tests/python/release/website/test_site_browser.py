"""The site in a real browser: it opens from a file, asks nobody, can be searched, and is for everybody to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

# One page of each kind, and a long document with tables and code.
KINDS = (
    "index",
    "datasets/mbp_quotes",
    "glossary",
    "diagram",
    "gate",
    "reference/hooks",
    "runbooks/cdc_lag",
)
PATIENCE_MILLISECONDS = 60_000
# dbt docs draws its pages from four megabytes: on a busy machine longer than the usual five seconds.
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture
def asked() -> list[str]:
    """What the page asked for."""
    return []


@pytest.fixture
def tab(browser: Browser, asked: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()


def address(site: Path, name: str) -> str:
    return (site / f"{name}.html").as_uri()


@pytest.mark.parametrize("pages", ["one of each kind", "all"])
def test_no_page_asks_anybody(tab: Page, site: Path, asked: list[str], pages: str) -> None:
    every = [
        page for page in sorted(site.rglob("*.html")) if page.name != "404.html"
    ]  # of a server
    chosen = every if pages == "all" else [site / f"{name}.html" for name in (*KINDS, "dbt")]
    for page in chosen:
        tab.goto(page.as_uri(), wait_until="load")
    assert len(every) > len(KINDS)
    assert len(asked) > len(chosen)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


# What a page asks for by itself. A link (`a href`) is followed by a reader alone.
LOADED = re.compile(
    r"<(?!a\b|form\b|!)\w[^>]*?\s(?:src|href|srcset|data|poster|action)=[\"']?(?:https?:)?//[^>]*>"
    r"|url\([\"']?(?:https?:)?//[^)]*\)|@import\s[\"'](?:https?:)?//[^\"']*"
)


def test_no_page_names_another_place_to_load_from(site: Path) -> None:
    """All pages as text: what the browser above sees of one page of each kind."""
    assert LOADED.search('<img alt="" src="https://example.com/x.png">')
    assert LOADED.search("<style>@import '//example.com/x.css'</style>")
    pages = [page for page in site.rglob("*.html") if page.name != "dbt.html"]
    assert len(pages) > len(KINDS)
    loaded = [
        f"{page.relative_to(site)}: {found[0]}"
        for page in pages
        for found in LOADED.finditer(page.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in found[0]
    ]
    assert loaded == []


def test_pictures_are_drawn_and_no_diagram_is_left_as_code(tab: Page, site: Path) -> None:
    for name in ("gate", "hooks", "report"):
        tab.goto(address(site, name))
        widths = tab.eval_on_selector_all("article img", "all => all.map(one => one.naturalWidth)")
        assert widths and min(widths) > 0, name
    assert not [
        page for page in site.rglob("*.html") if "language-mermaid" in page.read_text("utf-8")
    ]


# Dark differs in colours alone: pages that have all of them.
@pytest.mark.parametrize(
    ("scheme", "names"),
    [("light", KINDS), ("dark", ("datasets/mbp_quotes", "diagram", "runbooks/cdc_lag"))],
)
def test_axe_finds_nothing(tab: Page, site: Path, scheme: str, names: tuple[str, ...]) -> None:
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found = []
    for name in names:
        tab.goto(address(site, name))
        found += [
            f"{name}: {one['id']}: {node['html'][:120]}"
            for one in Axe().run(tab).response["violations"]
            for node in one["nodes"]
        ]
    assert found == []


def test_axe_would_find_something(tab: Page, site: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text((site / "index.html").read_text().replace('<html lang="en">', "<html>"))
    tab.goto(spoiled.as_uri())
    assert Axe().run(tab).response["violations"]


TABLES = """all => all.map(table => {
    const frame = table.closest(".md-typeset__scrollwrap"), cells = [...table.querySelectorAll("th, td")];
    const text = (cell) => cell.textContent.trim();
    return {
        frame: frame ? getComputedStyle(frame).overflowX : "none",
        right: (frame || table).getBoundingClientRect().right,
        narrow: cells.filter((cell) => text(cell).length > 20 && cell.clientWidth < 60).map(text),
        cut: cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map(text),
    };
})"""


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_and_table_can_be_read(tab: Page, site: Path, width: int) -> None:
    """No page scrolls sideways.

    A wide table scrolls in its own frame; no column is a strip of letters, and no word is cut.
    """
    tab.set_viewport_size({"width": width, "height": 800})
    seen = 0
    for name in (*KINDS, "health", "kpis", "reference/rules", "reference/metrics"):
        tab.goto(address(site, name))
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        for table in tab.eval_on_selector_all("article table", TABLES):
            assert (table["frame"], table["narrow"], table["cut"]) == ("auto", [], []), name
            assert table["right"] <= width, name
            seen += 1
    assert seen > len(KINDS)


def test_a_table_that_cannot_be_read_is_seen(tab: Page, site: Path) -> None:
    tab.goto(address(site, "reference/rules"))
    squeezed = "display: table !important; table-layout: fixed !important; width: 120px !important;"
    tab.add_style_tag(content=f"article table {{ {squeezed} }} td {{ overflow-wrap: normal; }}")
    tables = tab.eval_on_selector_all("article table", TABLES)
    assert any(table["narrow"] for table in tables)
    assert any(table["cut"] for table in tables)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_search_of_the_site_finds_a_page(tab: Page, site: Path, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(address(site, "runbooks/cdc_lag"))
    if width < 600:
        tab.locator("label.md-header__button[for=__search]").click()
    results = tab.locator(".md-search-result__list .md-search-result__link")
    tab.locator(".md-search__input").press_sequentially("depth_2pct")
    expect(results.first).to_be_visible()
    expect(
        tab.locator(".md-search-result__link[href*='datasets/mbp_quotes']").first
    ).to_be_visible()
    tab.locator(".md-search__input").press_sequentially("nosuchword")
    expect(results).to_have_count(0)


def test_from_a_column_to_its_rule_and_back(tab: Page, site: Path) -> None:
    tab.goto(address(site, "datasets/mbp_quotes"))
    tab.locator("tr:has(#column-price) a[href^='#rule-']").first.click()
    rule = tab.locator("tr:has(:target)")
    expect(rule).to_be_visible()
    rule.locator("a[href='#column-price']").click()
    expect(tab.locator(":target")).to_have_id("column-price")


def test_from_the_start_to_the_dataset_in_dbt_docs_and_its_lineage(tab: Page, site: Path) -> None:
    tab.goto(address(site, "index"))
    tab.locator("article").get_by_role("link", name="mbp_quotes").click()
    tab.get_by_role("link", name="mbp_quotes in dbt docs").click()
    expect(tab.get_by_text("depth_2pct").filter(visible=True).first).to_be_visible()
    assert not any(
        tab.locator("canvas").evaluate_all("all => all.map(one => one.checkVisibility())")
    )
    tab.locator(".launcher").click()
    expect(tab.locator("canvas").first).to_be_visible()
    expect(tab.get_by_text("Lineage Graph").filter(visible=True).first).to_be_visible()


def test_the_search_finds_a_column_and_the_overview_leads_back(tab: Page, site: Path) -> None:
    tab.goto(address(site, "dbt"))
    tab.locator("#search").fill("depth_2pct")
    results = tab.locator(".result")
    expect(results.filter(has_text="mbp_quotes").first).to_be_visible()
    found = results.count()
    tab.locator("#search").fill("no_such_column_anywhere")
    expect(results.filter(has_text="mbp_quotes").first).not_to_be_visible()
    assert found > 0
    tab.goto(address(site, "dbt") + "#!/overview")
    tab.reload()
    tab.get_by_role("link", name="where each reader starts").click()
    expect(tab.locator("h1")).to_have_text("MBP data: where each reader starts")
