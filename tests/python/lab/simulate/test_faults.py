"""A fault breaks what it says, where it says, and nothing else that is checked here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import sample as run
from lab.simulate import Parameters, RawWorld, faults, generate
from lab.simulate.faults import Fault, expected_findings, faults_of
from lab.simulate.schema import KEYS, REFERENCES, table_of_dataset
from mbp.core.errors import MbpError

from .conftest import connect
from .rules import ROOT, Facts, all_rules
from .test_clean_world import BROKEN

RULES = {rule.id: rule for rule in all_rules()}
FAULTS = faults_of(RULES.values())
RAW = [name for name, fault in FAULTS.items() if fault.stage == "raw"]
# Derived rules of one kind have one fault, in another column; that each is found by its own rule alone is proved by
# `mbp quality prove`.
OF_EACH_KIND = [*{RULES[name].test: name for name in RAW}.values()]
IN_MART = [name for name, fault in FAULTS.items() if fault.stage == "mart"]

# Which check of the clean world must see which fault; the fault must stay unseen by all others.
SEEN_BY = {
    "mbp_resolutions_market_id_unique": "one resolution per market",
    "mbp_quotes_fk": "orphans",
    "mbp_resolutions_fk": "orphans",
    "mbp_abuse_events_fk": "orphans",
    "mbp_trades_fk": "orphans",
    "mbp_trades_quote_id_fk": "orphans",
    "trade_matches_quote": "trades at their quotes",
    "mbp_markets_status_accepted_values": "enums",
    "mbp_markets_truth_source_accepted_values": "enums",
    "mbp_resolutions_source_kind_accepted_values": "enums",
    "mbp_abuse_events_kind_accepted_values": "enums",
    "mbp_abuse_events_severity_accepted_values": "enums",
    "mbp_abuse_events_action_taken_accepted_values": "enums",
    "mbp_quotes_price_range": "price range",
    "mbp_quotes_volume_range": "price range",
    "mbp_quotes_depth_2pct_range": "price range",
    "mbp_resolutions_audit_trace_id_pattern": "patterns",
    "mbp_resolutions_rule_version_pattern": "patterns",
    "mbp_resolutions_decided_by_hash_pattern": "patterns",
    "mbp_resolutions_evidence_uri_pattern": "patterns",
    "mbp_abuse_events_user_id_hash_pattern": "patterns",
    "mbp_markets_close_after_open": "market clocks",
    "mbp_markets_deadline_after_close": "market clocks",
    "mbp_markets_updated_after_created": "market clocks",
    "mbp_markets_closed_at_matches_status": "closed_at matches status",
    "quote_after_close": "no quote after the close",
    "resolution_audit": "resolution audit",
    "resolution_order": "resolution clocks",
    "resolution_early": "resolution clocks",
    "resolution_sla": "resolution clocks",
    "resolved_iff_resolution": "resolved exactly when there is a resolution",
    "abuse_action": "abuse action",
    "mbp_abuse_events_after_open": "abuse after opening",
    "mbp_quotes_cdc_order": "log order",
    "mbp_quotes_latency": "lag",
}
# A changed trace or position shows up in checks that ask about telemetry or the whole log.
UNRELATED = {
    "mbp_resolutions_audit_trace_id_pattern": {"resolutions have an audit record"},
    "mbp_quotes_latency": {"log order"},
}


def broken(world: RawWorld, fault: Fault) -> RawWorld:
    changed = world.copy()
    fault.apply(changed)
    return changed


def test_every_rule_has_a_fault() -> None:
    assert len(FAULTS) > 100
    assert set(FAULTS) == set(RULES)
    expected = expected_findings(ROOT)
    assert set(expected) <= set(FAULTS)
    for fault, findings in expected.items():
        assert findings[0].rule == fault
        assert {finding.rule for finding in findings} <= set(RULES)


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_a_fault_changes_only_the_tables_it_says(name: str, clean_world: RawWorld) -> None:
    before = dict(clean_world.items())
    changed = broken(clean_world, FAULTS[name])
    touched = changed.changed_tables(clean_world)
    assert touched
    assert set(touched) <= set(FAULTS[name].tables)
    assert all(clean_world[table] is rows for table, rows in before.items())
    again = broken(clean_world, FAULTS[name])
    assert again.changed_tables(changed) == []


def rows_of(world: RawWorld, table: str) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(row.items()) for row in world.rows(table)}


@pytest.fixture(scope="module")
def clean_rows(clean_world: RawWorld) -> dict[str, set[tuple[tuple[str, Any], ...]]]:
    return {table: rows_of(clean_world, table) for table, _ in clean_world.items()}


@pytest.mark.parametrize(
    "name", [name for name in OF_EACH_KIND if not name.endswith(("_volume", "latency"))]
)
def test_a_fault_is_a_handful_of_rows(
    name: str,
    clean_world: RawWorld,
    clean_rows: dict[str, set[tuple[tuple[str, Any], ...]]],
) -> None:
    changed = broken(clean_world, FAULTS[name])
    differing = [
        len(rows_of(changed, table) - clean_rows[table])
        for table in changed.changed_tables(clean_world)
    ]
    # What would become old with it goes on: a row of each other log at most.
    assert 1 <= sum(differing) < len(KEYS)


@pytest.mark.parametrize("name", SEEN_BY)
def test_the_right_check_and_no_other_sees_the_fault(name: str, clean_world: RawWorld) -> None:
    with connect(broken(clean_world, FAULTS[name])) as connection:
        seen = {rule for rule, (sql, _) in BROKEN.items() if connection.execute(sql).fetchall()}
    assert seen - UNRELATED.get(name, set()) == {SEEN_BY[name]}


@pytest.mark.parametrize("dataset", sorted({rule.dataset for rule in RULES.values()}))
def test_one_row_in_force_lacks_the_column(dataset: str, clean_world: RawWorld) -> None:
    name = next(name for name in RAW if name.startswith(dataset) and name.endswith("_not_null"))
    rule = RULES[name]
    column, table = rule.columns[0], table_of_dataset(rule.dataset).partition(".")[2]
    with connect(broken(clean_world, FAULTS[name])) as connection:
        count = f"select count(*) - count({column}) from {table}"
        assert connection.execute(count).fetchone() == (1,)


@pytest.mark.parametrize("dataset", ["mbp_markets", "mbp_quotes", "mbp_resolutions"])
def test_stale_data_is_stale_in_one_log_only(dataset: str, clean_world: RawWorld) -> None:
    changed = broken(clean_world, FAULTS[f"{dataset}_freshness"])
    newest = {table: max(row["_loaded_at"] for row in changed.rows(table)) for table in KEYS}
    now = max(newest.values())
    limits = {
        table_of_dataset(rule.dataset): rule.arguments["max_age_seconds"]
        for rule in RULES.values()
        if rule.test == "fresh_within"
    }
    stale = {table for table in KEYS if (now - newest[table]).total_seconds() > limits[table]}
    assert stale == {table_of_dataset(dataset)}


def test_the_deletes_leave_one_quote_too_few(clean_world: RawWorld) -> None:
    with connect(broken(clean_world, FAULTS["mbp_quotes_volume"])) as connection:
        assert connection.execute("select count(*) from quotes").fetchone() == (99,)


@pytest.mark.parametrize("name", IN_MART)
def test_a_fault_of_the_mart_is_one_row_by_sql(name: str, clean_world: RawWorld) -> None:
    fault = FAULTS[name]
    assert broken(clean_world, fault).changed_tables(clean_world) == []
    dataset = RULES[name].dataset
    with connect(clean_world) as connection:
        connection.execute("create schema marts")
        table = dataset.removeprefix("mbp_")
        connection.execute(f"create table marts.{dataset} as select * from {table}")
        count = f"select count(*) from marts.{dataset}"
        before = connection.execute(count).fetchone()[0]
        for statement in fault.statements:
            connection.execute(statement)
        after = connection.execute(count).fetchone()[0]
    assert after - before == (1 if name.endswith("_unique") else -1)


def test_a_market_lost_from_the_mart_has_no_children(clean_world: RawWorld) -> None:
    last = max(clean_world.rows("mbp.markets"), key=lambda row: row["opened_at"])
    for table, references in REFERENCES.items():
        if "market_id" not in references:
            continue
        assert last["market_id"] not in {row["market_id"] for row in clean_world.rows(table)}


def test_a_rule_without_a_bound_or_with_an_unknown_test_has_no_fault() -> None:
    between = "dbt_expectations.expect_column_values_to_be_between"
    lengths = "dbt_expectations.expect_column_value_lengths_to_be_between"
    matches = "dbt_expectations.expect_column_values_to_match_regex"
    unbounded = [
        Facts("a", "mbp_quotes", between, ("price",)),
        Facts("b", "mbp_markets", lengths, ("name",)),
        Facts("c", "mbp_markets", matches, ("name",), {"regex": ".*"}),
        Facts("d", "mbp_markets", "expect_the_unexpected", ("name",)),
        Facts("e", "mbp_quotes", "dbt_expectations.expect_table_row_count_to_be_between"),
    ]
    assert faults_of(unbounded) == {}


def test_a_world_without_the_right_market_says_so() -> None:
    world = generate(Parameters(quotes=60, markets=1, days=1))
    with pytest.raises(MbpError, match=r"no row of mbp\.markets is fit.*16 markets"):
        FAULTS["quote_after_close"].apply(world)


@pytest.fixture
def without_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "all_faults", lambda _root=None: FAULTS)


@pytest.mark.usefixtures("without_contracts")
def test_an_unknown_fault_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="did you mean twap_reconciles"):
        run.simulate(Parameters(), fault="twap_recociles", output=tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    assert faults.find("cdc_order").rule_id == "mbp_quotes_cdc_order"
    assert faults.find("cdc_no_loss").rule_id == "mbp_quotes_cdc_no_loss"


@pytest.mark.usefixtures("without_contracts")
def test_a_fault_is_written_where_it_was_asked_for(tmp_path: Path, clean_world: RawWorld) -> None:
    run.simulate(Parameters(), fault="twap_reconciles", output=tmp_path / "raw")
    run.simulate(Parameters(), fault="cdc_no_loss", output=tmp_path / "mart")
    run.simulate(Parameters(), output=tmp_path / "clean")
    clean = (tmp_path / "clean" / "raw_mbp__quotes.csv").read_text().splitlines()
    bad = (tmp_path / "raw" / "raw_mbp__quotes.csv").read_text().splitlines()
    assert len(set(bad) - set(clean)) == 1
    script = (tmp_path / "mart" / "after_build.sql").read_text()
    assert script.startswith("delete from marts.mbp_quotes")
    assert not (tmp_path / "raw" / "after_build.sql").exists()
    assert len(clean) == clean_world["mbp.quotes"].num_rows + 1


@pytest.mark.usefixtures("without_contracts")
def test_a_fault_never_goes_into_the_seeds() -> None:
    with pytest.raises(MbpError, match="--fault needs --output"):
        run.simulate(Parameters(), fault="twap_reconciles")
    with pytest.raises(MbpError, match="never goes into seeds"):
        run.simulate(Parameters(), fault="twap_reconciles", output=ROOT / "seeds" / "sample")
    with pytest.raises(MbpError, match="made in memory"):
        large = Parameters.of(quotes=2_000_000)
        run.simulate(large, fault="twap_reconciles", output=ROOT / "nowhere")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("a: []", "expected a list of findings"),
        ("a:\n  - {rule: a}", "expected {rule: id, rows"),
        ("a:\n  - {rule: a, rows: 0}", "expected {rule: id, rows"),
        ("a:\n  - {rule: a, rows: 1}\n  - {rule: b, rows: 1}", "b lacks a reason"),
        ("a:\n  - {rule: a, rows: 1, also: because}", "a has a reason"),
        ("a:\n  - {rule: b, rows: 1, also: because}", "its own rule is not among"),
        ("- a", "expected a mapping"),
    ],
)
def test_a_wrong_expectation_is_refused(tmp_path: Path, entry: str, told: str) -> None:
    path = tmp_path / faults.expected.PATH
    path.parent.mkdir(parents=True)
    path.write_text(f"{entry}\n")
    with pytest.raises(MbpError, match=told):
        expected_findings(tmp_path)


def test_the_contracts_ask_for_no_fault_that_is_missing() -> None:
    """The project's own contracts: every rule has a fault."""
    assert set(faults.all_faults(ROOT)) == set(RULES)
