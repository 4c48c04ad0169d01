"""One scan counts for many rules on PostgreSQL: the verdict of each is that of its own query over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import load_contracts
from mbp.quality.enforcement.compiled import rule_queries
from mbp.runs.dbt_process import environment, run_dbt
from mbp.warehouse import connect
from mbp.warehouse.server import PostgresServer
from tests.python.built import Built, copied, judged

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

COUNTED = "counted_in_one_scan"
FAMILIES = ("not_null", "range", "pattern")
# Column of mbp_quotes -> a value that breaks a rule, and the rules that it breaks.
SPOILED = {
    "quote_id": ("'no such form!'", {"mbp_quotes_quote_id_pattern", "mbp_quotes_cdc_no_loss"}),
    "market_id": ("null", {"mbp_quotes_market_id_not_null"}),
    "quoted_at": ("null", {"mbp_quotes_quoted_at_not_null"}),
    "price": ("1", {"mbp_quotes_price_range"}),
    "volume": ("-1", {"mbp_quotes_volume_range"}),
    "depth_2pct": ("null", {"mbp_quotes_depth_2pct_not_null"}),
    "twap_5m": ("0", {"mbp_quotes_twap_5m_range"}),
}


@pytest.fixture(scope="module")
def settings(
    built: Built, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("one_scan")
    with copied(built, postgres_server, "postgres", folder) as found:
        yield found


def results(built: Built, settings: Mapping[str, str], target: str, folder: Path) -> dict[str, Any]:
    """The results of one `dbt test` of the contract of quotes, by rule."""
    outcome = run_dbt(
        built.root,
        ["test", "--select", "config.meta.dataset:mbp_quotes"],
        target=target,
        artifacts=folder,
        changes=settings,
        quiet=True,
    )
    return {one.node.config.meta["rule_id"]: one for one in judged(outcome)}


def countable(root: Path) -> set[str]:
    """The rules of quotes that judge one row by one of its columns."""
    (contract,) = [one for one in load_contracts(root) if one.dataset == "mbp_quotes"]
    found = {rule.id for rule in contract.rules if rule.family in FAMILIES}
    assert len(found) > 10
    return found


def test_all_countable_rules_share_one_scan(
    built: Built, settings: Mapping[str, str], tmp_path: Path
) -> None:
    """But for one that another thread may have begun meanwhile."""
    told = results(built, settings, "postgres", tmp_path)
    assert {str(one.status) for one in told.values()} == {"pass"}
    counted = {rule for rule, one in told.items() if COUNTED in one.node.compiled_code}
    assert counted <= countable(built.root)
    assert len(counted) >= len(countable(built.root)) - 1
    scans = (tmp_path / "logs" / "dbt.log").read_text(encoding="utf-8").count("as broken_1\n")
    assert scans <= 1, "the relation was counted more than once"


def test_verdicts_and_rows_are_those_of_each_rule_alone(
    built: Built, settings: Mapping[str, str], tmp_path: Path
) -> None:
    with environment(settings), connect(built.root, "postgres") as warehouse:
        for number, (column, (value, _)) in enumerate(SPOILED.items()):
            warehouse.execute(f"alter table marts.mbp_quotes alter column {column} drop not null")
            warehouse.execute(
                f"update marts.mbp_quotes set {column} = {value} where ctid = ("
                f"select ctid from marts.mbp_quotes order by quoted_at, quote_id offset {10 + number} limit 1)"
            )
    told = results(built, settings, "postgres", tmp_path)
    broken = {rule for rule, one in told.items() if str(one.status) == "fail"}
    assert set().union(*(rules for _, rules in SPOILED.values())) <= broken
    alone = rule_queries(built.root, "postgres", settings)
    with environment(settings), connect(built.root, "postgres") as warehouse:
        for rule in countable(built.root):
            _, rows = warehouse.query(alone[rule])
            assert (told[rule].failures or 0) == len(rows), rule
            if rows:
                assert COUNTED not in told[rule].node.compiled_code, rule
                assert warehouse.query(told[rule].node.compiled_code)[1] == rows


def test_an_engine_of_columns_looks_rule_by_rule(built: Built, tmp_path: Path) -> None:
    told = results(built, built.settings["duckdb"], "duckdb", tmp_path)
    assert {str(one.status) for one in told.values()} == {"pass"}
    assert not [rule for rule, one in told.items() if COUNTED in one.node.compiled_code]


@pytest.mark.parametrize(
    ("name", "arguments", "config", "violation"),
    [
        ("not_null", {}, {}, "price is null"),
        ("not_null", {"row_condition": "volume > 0"}, {}, "None"),
        ("not_null", {}, {"where": "volume > 0"}, "None"),
        ("expect_column_values_to_be_between", {"min_value": 0}, {}, "price < 0"),
        ("a_test_that_nobody_knows", {}, {}, "None"),
    ],
)
def test_only_a_plain_condition_on_one_row_is_counted(
    built: Built,
    settings: Mapping[str, str],
    tmp_path: Path,
    name: str,
    arguments: dict[str, Any],
    config: dict[str, str],
    violation: str,
) -> None:
    test = {
        "test_metadata": {"name": name, "kwargs": {"column_name": "price", **arguments}},
        "config": config,
    }
    outcome = run_dbt(
        built.root,
        ["compile", "--inline", f"select '{{{{ row_violation({test!r}) }}}}' as violation"],
        target="postgres",
        artifacts=tmp_path,
        changes=settings,
        quiet=True,
    )
    assert outcome.problem is None, outcome.problem
    assert outcome.result.results[0].node.compiled_code == f"select '{violation}' as violation"
