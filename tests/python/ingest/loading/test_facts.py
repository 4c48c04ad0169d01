"""What is absent in the warehouse: only what no row of the table can have, whoever brought it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.ingest.loading.load_sources import load_folder
from mbp.ingest.loading.source_facts import SourceFacts, dataset_tables, read_facts
from mbp.warehouse import connect

EVENTS_ABSENT = "  abuse_events: no detector\n"
EVENTS_MAPPED = """  abuse_events:
    file: events.csv
    changed_at: detected_at
    columns: {abuse_event_id: event, market_id: market, detected_at: at}
    constants: {kind: wash_trading, severity: low, action_taken: none, user_id_hash: h, details: d}
"""


@pytest.fixture
def second(folder: Path) -> Path:
    """A folder of another source with keys of its own; its mapping is that of the first."""
    data = folder.parent / "second"
    data.mkdir()
    markets = (folder / "markets.csv").read_text().replace("m1", "m2")
    (data / "markets.csv").write_text(markets)
    (data / "quotes.csv").write_text(
        "trade,market,at,price,shares,depth\nu1,m2,2026-01-05 09:00:00,0.5,10,25\n"
    )
    (data / "events.csv").write_text("event,market,at\ne1,m2,2026-01-05 09:00:00\n")
    mapping = (folder / "mapping.yaml").read_text()
    (data / "mapping.yaml").write_text(mapping.replace("source: test", "source: other"))
    return data


def change(folder: Path, old: str, new: str) -> None:
    mapping = folder / "mapping.yaml"
    text = mapping.read_text()
    assert old in text
    mapping.write_text(text.replace(old, new))


def map_events(folder: Path) -> None:
    change(folder, EVENTS_ABSENT, "")
    change(folder, "absent_tables:\n", EVENTS_MAPPED + "absent_tables:\n")


def load(root: Path, folder: Path, target: str) -> SourceFacts:
    """The facts after a load that took every row."""
    assert load_folder(root, folder, folder / "mapping.yaml", target=target).rejected == 0
    with connect(root, target) as warehouse:
        return read_facts(warehouse, dataset_tables(root))


def stream(root: Path, target: str, statement: str) -> SourceFacts:
    """The facts after change data capture wrote to a raw table."""
    with connect(root, target) as warehouse:
        warehouse.execute(statement)
        return read_facts(warehouse, dataset_tables(root))


def test_a_column_that_another_source_provides_is_measurable(
    project_root: Path, folder: Path, second: Path, target: str
) -> None:
    facts = load(project_root, folder, target)
    assert facts.columns["mbp_quotes"] == {"depth_2pct": "no depth", "twap_5m": "no average"}
    change(second, "volume: shares", "volume: shares, depth_2pct: depth")
    change(second, "      depth_2pct: {value: 0, reason: no depth}\n", "")
    facts = load(project_root, second, target)
    assert facts.columns["mbp_quotes"] == {"twap_5m": "no average"}
    assert facts.columns["mbp_markets"]["min_liquidity"] == "not told"


def test_a_rule_that_another_source_can_show_is_measurable(
    project_root: Path, folder: Path, second: Path, target: str
) -> None:
    assert load(project_root, folder, target).rules == {"mbp_quotes_freshness": "a history"}
    change(second, "mbp_quotes_freshness", "mbp_markets_freshness")
    assert load(project_root, second, target).rules == {}


def test_what_no_source_has_stays_absent_with_every_reason(
    project_root: Path, folder: Path, second: Path, target: str
) -> None:
    load(project_root, folder, target)
    change(second, "reason: no depth", "reason: depth is hidden")
    facts = load(project_root, second, target)
    assert facts.columns["mbp_quotes"]["depth_2pct"] == "depth is hidden; no depth"
    assert facts.datasets["mbp_abuse_events"] == "no detector"
    assert facts.rules == {"mbp_quotes_freshness": "a history"}


@pytest.mark.parametrize("declared", ["before", "after"])
def test_a_dataset_that_another_source_has_is_not_absent(
    project_root: Path, folder: Path, second: Path, target: str, declared: str
) -> None:
    map_events(second)
    for one in (folder, second) if declared == "before" else (second, folder):
        facts = load(project_root, one, target)
    assert set(facts.datasets) == {"mbp_resolutions", "mbp_trades"}


def test_a_dataset_is_not_absent_while_rows_of_an_earlier_load_are_there(
    project_root: Path, second: Path, target: str
) -> None:
    earlier = (second / "mapping.yaml").read_text()
    map_events(second)
    load(project_root, second, target)
    (second / "mapping.yaml").write_text(earlier)
    assert "mbp_abuse_events" not in load(project_root, second, target).datasets


def test_rows_that_no_mapping_brought_have_everything(
    project_root: Path, folder: Path, target: str
) -> None:
    load(project_root, folder, target)
    facts = stream(
        project_root,
        target,
        "insert into raw_mbp.quotes (quote_id, __op, _loaded_at)"
        " values ('c1', 'c', timestamptz '2026-01-05 10:00:00+00')",
    )
    assert "mbp_quotes" not in facts.columns
    assert facts.rules == {}
    assert facts.columns["mbp_markets"]["min_liquidity"] == "not told"
    facts = stream(
        project_root, target, "insert into raw_mbp.abuse_events (abuse_event_id) values ('e1')"
    )
    assert set(facts.datasets) == {"mbp_resolutions", "mbp_trades"}


def test_facts_of_a_load_that_nobody_noted_excuse_nothing(
    project_root: Path, folder: Path, second: Path, target: str
) -> None:
    """Without the loads it is unknown which rows are whose: everything is measured until it is loaded anew."""
    load(project_root, folder, target)
    facts = stream(project_root, target, "drop table raw_mbp._loads")
    assert (facts.columns, facts.datasets, facts.rules) == ({}, {}, {})
    facts = load(project_root, second, target)
    assert facts.columns == {}
    assert facts.rules == {}
    assert set(facts.datasets) == {"mbp_abuse_events", "mbp_resolutions", "mbp_trades"}


def test_facts_of_two_mappings_of_a_source_add_up(
    project_root: Path, folder: Path, target: str
) -> None:
    """One mapping for the markets, one for the quotes, in any order; the second says nothing of the first."""
    whole = (folder / "mapping.yaml").read_text()
    head, quotes = whole.split("  quotes:\n")
    quotes, tail = quotes.split("absent_tables:\n")
    markets_only = head + "absent_tables:\n" + tail.partition("not_measurable")[0]
    quotes_only = whole[: whole.index("  markets:\n")] + "  quotes:\n" + quotes
    quotes_only += "absent_tables: {markets: in the other extract}\n"
    quotes_only += "not_measurable" + tail.partition("not_measurable")[2]
    expected: list[SourceFacts] = []
    for order in ((markets_only, quotes_only), (quotes_only, markets_only)):
        with connect(project_root, target) as warehouse:
            warehouse.execute("drop schema if exists raw_mbp cascade")
        for text in order:
            (folder / "mapping.yaml").write_text(text)
            facts = load(project_root, folder, target)
        assert facts.columns["mbp_quotes"] == {"depth_2pct": "no depth", "twap_5m": "no average"}
        assert facts.columns["mbp_markets"]["min_liquidity"] == "not told"
        assert facts.rules == {"mbp_quotes_freshness": "a history"}
        expected.append(facts)
    assert expected[0] == expected[1]


def test_a_column_and_a_table_that_the_mapping_leaves_out_are_absent(
    project_root: Path, folder: Path, target: str
) -> None:
    change(folder, "      depth_2pct: {value: 0, reason: no depth}\n", "")
    change(folder, "  abuse_events: no detector\n", "")
    facts = load(project_root, folder, target)
    assert facts.columns["mbp_quotes"]["depth_2pct"] == "the mapping leaves it out"
    assert facts.datasets["mbp_abuse_events"] == "no mapping of what was loaded has it"


def test_a_fact_is_absent_while_rows_of_an_earlier_mapping_of_the_source_lack_it(
    project_root: Path, folder: Path, target: str
) -> None:
    """Two extracts of one table, one with the depth, in any order; then all of it by one mapping."""
    poor = (folder / "mapping.yaml").read_text()
    (folder / "rich.csv").write_text(
        "trade,market,at,price,shares,depth\nu1,m1,2026-01-05 09:00:00,0.5,10,25\n"
    )
    rich = poor.replace("file: quotes.csv", "file: rich.csv")
    rich = rich.replace("      depth_2pct: {value: 0, reason: no depth}\n", "")
    rich = rich.replace("volume: shares}", "volume: shares, depth_2pct: depth}")
    for order in ((poor, rich), (rich, poor)):
        with connect(project_root, target) as warehouse:
            warehouse.execute("drop schema if exists raw_mbp cascade")
        for text in order:
            (folder / "mapping.yaml").write_text(text)
            facts = load(project_root, folder, target)
        assert facts.columns["mbp_quotes"]["depth_2pct"] == "no depth"
    lines = (folder / "quotes.csv").read_text().splitlines()
    depths = ("depth", "0", "7")
    corrected = [f"{line},{depth}" for line, depth in zip(lines, depths, strict=True)]
    (folder / "quotes.csv").write_text("\n".join(corrected) + "\n")
    (folder / "mapping.yaml").write_text(rich.replace("rich.csv", "[rich.csv, quotes.csv]"))
    assert "depth_2pct" not in load(project_root, folder, target).columns["mbp_quotes"]
