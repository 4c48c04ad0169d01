"""The pages say what the contracts say, a broken link fails, and a site is written whole or not at all."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.operate.semantic.calibration import Bin
from mbp.release.website.data_pages import data_pages, diagram, relationships
from mbp.release.website.site_facts import Lineage, RecordedState, absent, look
from mbp.release.website.write_site import MARK, write_site
from mbp.runs.dbt_process import environment


def test_each_column_links_to_its_rules_and_each_rule_back(project_root: Path, site: Path) -> None:
    linked = 0
    for contract in load_contracts(project_root):
        page = (site / "datasets" / f"{contract.dataset}.html").read_text()
        rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
        for rule in contract.rules:
            (row,) = [one for one in rows if f'id="rule-{rule.id}"' in one]
            for column in rule.columns:
                if "." in column:
                    continue
                assert f'href="#column-{column}"' in row
                (own,) = [one for one in rows if f'id="column-{column}"' in one]
                assert f'href="#rule-{rule.id}"' in own
                linked += 1
        assert f'href="../dbt.html#!/model/model.mbp.{contract.dataset}"' in page
    assert linked > 80


def test_every_word_of_the_glossary_is_on_its_page(project_root: Path, site: Path) -> None:
    glossary = (project_root / "contracts/a87/glossary.yaml").read_text()
    page = (site / "glossary.html").read_text()
    assert page.count('id="term-') == glossary.count("- term:") > 0


def test_the_home_page_has_a_part_for_each_reader_and_the_datasets(
    project_root: Path, site: Path
) -> None:
    page = (site / "index.html").read_text()
    for reader in ("engineer", "analyst", "reviewer", "on-call", "release-owner"):
        assert f'<h2 id="{reader}">' in page
    for contract in load_contracts(project_root):
        assert f'href="datasets/{contract.dataset}.html"' in page


def test_a_link_to_a_file_that_is_no_page_keeps_its_words(site: Path) -> None:
    page = (site / "adr" / "adr_001_dec_latency_slo.html").read_text()
    assert "800 ms" in page
    assert "measurement_sheet.yaml" not in page


def test_the_diagram_draws_every_reference_the_same_way_each_time(project_root: Path) -> None:
    contracts = load_contracts(project_root)
    drawn = diagram(contracts)
    assert drawn == diagram(list(reversed(contracts)))
    found = relationships(contracts)
    references = [column for one in contracts for column in one.columns if column.reference]
    assert len(found) == len(references) > 0
    assert drawn.count('class="diagram-ring"') == len(found)
    assert drawn.count('class="diagram-text"') == sum(len(one.columns) for one in contracts)
    # A market has many quotes, and at most one resolution.
    many = {one.dataset: one.many for one in found}
    assert (many["mbp_quotes"], many["mbp_resolutions"]) == (True, False)


def test_a_circle_of_references_is_drawn_too(project_root: Path) -> None:
    quotes, markets = (
        next(one for one in load_contracts(project_root) if one.dataset == name)
        for name in ("mbp_quotes", "mbp_markets")
    )
    reference = next(column.reference for column in quotes.columns if column.reference)
    back = replace(reference, dataset="mbp_quotes", column="quote_id")
    columns = (replace(markets.columns[0], reference=back), *markets.columns[1:])
    assert "<svg" in diagram([quotes, replace(markets, columns=columns)])


def test_a_text_cannot_become_markup(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, *others) = load_contracts(project_root)
    script = "<script>x</script> [a](b) | *c*"
    columns = tuple(replace(column, description=script, unit=script) for column in one.columns)
    hostile = replace(one, purpose=script, columns=columns)
    monkeypatch.setattr(
        "mbp.release.website.data_pages.load_contracts", lambda _root: [hostile, *others]
    )
    page = data_pages(project_root, absent("not read"))[f"datasets/{one.dataset}.md"]
    assert r"&lt;script>x&lt;/script> \[a\](b) \| \*c\*" in page
    assert "<script>" not in page
    typed = replace(one, columns=(replace(one.columns[0], physical_type="<script>x</script>"),))
    assert "<script>" not in diagram([typed])


def test_the_overview_of_dbt_leads_into_the_site(site: Path, dbt_target: Path) -> None:
    within, beside = (site / "dbt.html").read_text(), (dbt_target / "static_index.html").read_text()
    linked = set(re.findall(r"\]\(site/([\w/]+\.html)", beside))
    assert {"index.html", "datasets/mbp_quotes.html"} <= linked
    for page in linked:
        assert (site / page).is_file()
        assert f"]({page}" in within
    assert "](site/" not in within


def test_a_site_is_replaced_as_a_whole(
    project_root: Path, dbt_target: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / MARK).touch()
    (folder / "old.html").touch()
    with environment({"DBT_TARGET_PATH": str(dbt_target)}):
        write_site(project_root, folder)
    assert not (folder / "old.html").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["site"]


def test_a_folder_of_somebody_is_left_alone(
    project_root: Path, dbt_target: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").touch()
    with (
        environment({"DBT_TARGET_PATH": str(dbt_target)}),
        pytest.raises(MbpError, match="is not a site"),
    ):
        write_site(project_root, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_without_dbt_docs_nothing_is_written(project_root: Path, tmp_path: Path) -> None:
    with environment({"DBT_TARGET_PATH": str(tmp_path / "target")}):
        with pytest.raises(MbpError, match="make site"):
            write_site(project_root, tmp_path / "site")
        page = tmp_path / "target" / "static_index.html"
        page.parent.mkdir()
        page.write_text("<html>of another project</html>")
        with pytest.raises(MbpError, match="does not show mbp_"):
            write_site(project_root, tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.fixture(scope="module")
def copied(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is made of."""
    root = tmp_path_factory.mktemp("copied")
    for part in (
        "contracts",
        "docs",
        "lab",
        "macros",
        "models",
        "packages",
        "scripts",
        "src",
        "tests",
    ):
        shutil.copytree(
            project_root / part,
            root / part,
            ignore=shutil.ignore_patterns("__pycache__", "*.csv", "golden"),
        )
    for file in (*project_root.glob("*.md"), *project_root.glob("*.yml")):
        shutil.copy(file, root)
    return root


BROKEN = {
    "a page": ("docs/cdc.md", "](cdc_drill.md)", "](cdc_drills.md)", "'cdc_drills.md'"),
    "an anchor": ("docs/runbooks/cdc_lag.md", "#what-happens", "#what-happened", "what-happened"),
    "a file": ("docs/ci.md", "# What CI", "[x](../contracts/gone.yaml)\n\n# What CI", "gone.yaml"),
    "not in the navigation": ("mkdocs.yml", "      - hooks.md\n", "", "hooks.md"),
}


def test_each_broken_link_fails(
    copied: Path, dbt_target: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning is enough to fail; all of them in one build, which takes seconds."""
    texts = {file: (copied / file).read_text() for file, *_ in BROKEN.values()}
    try:
        for file, find, put, _ in BROKEN.values():
            assert find in texts[file]
            (copied / file).write_text(texts[file].replace(find, put, 1))
        with (
            environment({"DBT_TARGET_PATH": str(dbt_target)}),
            pytest.raises(MbpError) as raised,
        ):
            write_site(copied, tmp_path / "site")
    finally:
        for file, text in texts.items():
            (copied / file).write_text(text)
    warnings = [
        one.getMessage()
        for one in caplog.records
        if one.name.startswith("mkdocs") and one.levelno == logging.WARNING
    ]
    for what, (*_, told) in BROKEN.items():
        assert any(told in one for one in warnings), what
    # The error quotes one, and counts the others.
    assert any(told in str(raised.value) for *_, told in BROKEN.values())
    assert f"(and {len(warnings) - 1} more)" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_lint_lets_mkdocs_count_its_warnings(project_root: Path) -> None:
    """With --quiet, `mkdocs build --strict` sees no warning and always passes."""
    lint = (project_root / "scripts/lint").read_text("utf-8")
    (line,) = [line for line in lint.splitlines() if "mkdocs" in line and " build " in line]
    assert "--strict" in line
    assert "--quiet" not in line


NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def state(rule_id: str, verdict: str) -> dict[str, Any]:
    since = NOW if verdict == "fail" else None
    return {
        "rule_id": rule_id,
        "dataset": "mbp_quotes",
        "owner": "DATA",
        "engine": "dbt",
        "verdict": verdict,
        "failing_since": since,
        "last_run_at": NOW,
        "last_failing_rows": 4 if since else 0,
        "pass_rate": 0.5,
        "runs": "●✕",
        "seconds": 0.25,
    }


def live(*states: dict[str, Any]) -> RecordedState:
    anomaly = {
        "dataset": "mbp_quotes",
        "measure": "rows",
        "arrival_date": "2026-03-04",
        "measured_value": 7.0,
        "median_value": 900.0,
        "verdict": "unusual",
        "owner": "DATA",
    }
    by_rule = {one["rule_id"]: [one] for one in states}
    bins = (Bin(1, 0.25, 0.2, 40), Bin(1, 0.75, 0.8, 10), Bin(24, 0.5, 1.0, 1))
    return RecordedState(NOW, "duckdb", by_rule, "", (anomaly,), None, "nothing was built", bins)


def test_whether_a_rule_holds_is_on_the_page_of_its_dataset(project_root: Path) -> None:
    broken, fine = state("mbp_quotes_fk", "fail"), state("mbp_quotes_price_range", "pass")
    pages = data_pages(project_root, live(broken, fine))
    quotes, markets = pages["datasets/mbp_quotes.md"], pages["datasets/mbp_markets.md"]
    row = next(line for line in quotes.splitlines() if 'id="rule-mbp_quotes_fk"' in line)
    assert 'dbt: fail since 2026-03-04 12:00 UTC<br><span class="runs">●✕</span>' in row
    row = next(line for line in quotes.splitlines() if 'id="rule-mbp_quotes_price_range"' in line)
    assert "dbt: pass<br>" in row
    assert "| not measured |" in markets
    health = pages["health.md"]
    # What is broken comes first.
    assert health.index("#rule-mbp_quotes_fk") < health.index("#rule-mbp_quotes_price_range")
    assert (
        "| [mbp_quotes](datasets/mbp_quotes.md) | 2 | 1 | 1 | 0 | 2026-03-04 12:00 UTC |" in health
    )
    assert "| mbp_quotes | rows | 2026-03-04 | 7 | 900 | unusual | DATA |" in health
    kpis = pages["kpis.md"]
    assert kpis.count("<circle") == 3
    assert "| 1 | 0.750 | 80 % | 10 |" in kpis
    assert "Not measured: nothing was built." in kpis


def test_lineage_goes_down_to_columns_and_rules_have_their_query(project_root: Path) -> None:
    price = ("mbp_quotes", "price")
    raw = frozenset({"mbp.quotes", "mbp.quotes.price", "mbp.quotes.volume", "mbp.markets"})
    known = Lineage(
        columns={price: raw},
        readers={price: ["metric price", "model sem_quotes"]},
        metrics={"traded_volume": raw},
        queries={"mbp_quotes_fk": "select *\nfrom quotes\n"},
    )
    pages = data_pages(project_root, replace(live(), lineage=known))
    quotes = pages["datasets/mbp_quotes.md"]
    text = "mbp.quotes (price, volume)<br>mbp.markets"
    assert f"| [price](#column-price) | {text} | metric price<br>model sem_quotes |" in quotes
    assert "| [volume](#column-volume) | a constant | no one |" in quotes
    row = next(line for line in quotes.splitlines() if 'id="rule-mbp_quotes_fk"' in line)
    assert "[failing rows](#failing-mbp_quotes_fk)" in row
    assert '<span id="failing-mbp_quotes_fk"></span>\n\n    ``````sql\n    select *' in quotes
    assert quotes.count("[failing rows]") == 1
    assert f"| traded_volume | {text} |" in pages["kpis.md"]
    bare = data_pages(project_root, live())
    assert "## Lineage" not in bare["datasets/mbp_quotes.md"]
    assert "failing rows" not in bare["datasets/mbp_quotes.md"]


def test_what_was_not_read_is_said(project_root: Path) -> None:
    pages = data_pages(project_root, absent("no warehouse"))
    for name in ("datasets/mbp_quotes.md", "health.md", "kpis.md"):
        assert "no warehouse" in pages[name], name
    assert "not measured" in pages["datasets/mbp_quotes.md"]
    assert "<svg" not in pages["kpis.md"]


def test_a_dataset_tells_where_to_query_it_and_its_versions(project_root: Path) -> None:
    page = data_pages(project_root, absent("not read"))["datasets/mbp_quotes.md"]
    assert "select * from published.mbp_quotes limit 100;" in page
    found = re.findall(r"^- \*\*(\d+)\.(\d+)\.(\d+)\*\*", page, re.MULTILINE)
    versions = [tuple(map(int, one)) for one in found]
    assert versions == sorted(versions, reverse=True)
    assert len(versions) > 1
    assert "    apiVersion: v3.1.0" in page


def test_a_warehouse_that_is_not_there_is_absent_and_no_error(
    project_root: Path, tmp_path: Path
) -> None:
    with environment({"MBP_DUCKDB_PATH": str(tmp_path / "none.duckdb")}):
        seen = look(project_root, "duckdb")
    assert not seen.rules
    assert "does not exist" in seen.rules_absent
    assert "does not exist" in seen.watch_absent
