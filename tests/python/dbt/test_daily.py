"""The daily run: it looks at what is new, and must say there what the full verification would say.

Each engine has one copy of the built sample, whose rows are verified. New rows are added to the raw logs, and the
selector is `daily_incremental`, so that a run takes seconds; the first day is run with `daily`, which looks at the same
slice.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.contracts import load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.render import slice_readers
from mbp.quality.read_sets import Reads, followed
from mbp.runs.dbt_process import DbtOutcome, environment, run_dbt
from mbp.warehouse import Warehouse, connect
from tests.python.built import Built, copied, judged

MARK = "select verified_until from verification.datasets_verified where dataset = 'mbp_quotes'"
KEYS = ("trade_id", "quote_id", "unique_field")
SLICE = re.compile(r'"verification"\."(\w+)_to_check"')
# Of the sample: the newest arrival is a moment before midnight, the mark looks back to 22:00.
SAID_LATER = "2026-01-07 00:10:00+00:00"
OLD_QUOTE, OTHER_OLD_QUOTE = "q-00005-000005", "q-00005-000004"
RUNS_LEFT_BEHIND = "2026-01-05 01:00:00+00:00"


@dataclass
class Verdict:
    """What one daily run said: rule -> keys of its failing rows, and the same of whole tables."""

    daily: dict[str, set[str]]
    whole: dict[str, set[str]]
    said: str
    statuses: dict[str, str]


@dataclass
class World:
    """A copy of the built sample that may be spoiled."""

    root: Path
    target: str
    settings: dict[str, str]
    folder: Path
    position: int = 10**18
    manifest: Any = field(default=None, repr=False)

    def open(self) -> Warehouse:
        return connect(self.root, self.target)

    def execute(self, *statements: str) -> None:
        with environment(self.settings), self.open() as warehouse:
            for statement in statements:
                warehouse.execute(statement)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with environment(self.settings), self.open() as warehouse:
            return warehouse.query(sql)[1]

    def arrive(
        self, table: str, key: str, like: str, arrived: str = SAID_LATER, **change: str
    ) -> None:
        """A change of `key` with the columns of the newest change of `like`, but for `change` (SQL expressions)."""
        self.position += 1
        log, name = f"sample_mbp.{table}", f"{table.removesuffix('s')}_id"
        change = {
            name: f"'{key}'",
            "__op": "'u'",
            "__deleted": "'false'",
            "__source_lsn": str(self.position),
            "__source_ts_ms": "__source_ts_ms + 1000000",
            "_loaded_at": f"timestamptz '{arrived}'",
            **change,
        }
        columns = [
            row[0]
            for row in self.query(
                "select column_name from information_schema.columns where table_schema = 'sample_mbp'"
                f" and table_name = '{table}' order by ordinal_position"
            )
        ]
        chosen = ", ".join(change.get(column, column) for column in columns)
        self.execute(
            f"insert into {log} select {chosen} from {log} where {name} = '{like}'"
            " order by __source_lsn desc limit 1"
        )

    def parsed(self) -> Any:
        """The parsed project, once."""
        if self.manifest is None:
            outcome = run_dbt(
                self.root,
                ["parse"],
                target=self.target,
                artifacts=self.folder,
                changes=self.settings,
                quiet=True,
            )
            assert outcome.success, outcome.problem
            self.manifest = outcome.result
        return self.manifest

    def run(self, *arguments: str) -> DbtOutcome:
        outcome = run_dbt(
            self.root,
            [*arguments],
            target=self.target,
            artifacts=self.folder,
            changes=self.settings,
            manifest=self.parsed(),
            quiet=True,
        )
        assert outcome.problem is None, outcome.problem
        return outcome

    def daily(self, selector: str = "daily_incremental") -> Verdict:
        """One daily run, and its rules once more on all rows."""
        log = self.folder / "logs" / "dbt.log"
        before = log.stat().st_size if log.exists() else 0
        results = self.run("build", "--selector", selector).result.results
        said = log.read_bytes()[before:].decode()
        verdict = Verdict({}, {}, said, {})
        with environment(self.settings), self.open() as warehouse:
            for result in results:
                verdict.statuses[result.node.name] = str(result.status)
                if result.node.resource_type != "test":
                    continue
                sql = result.node.compiled_code or ""
                if "_to_check" not in sql:
                    continue
                whole = SLICE.sub(r'"marts"."\1"', sql)
                assert whole != sql
                for found, query in ((verdict.daily, sql), (verdict.whole, whole)):
                    names, rows = warehouse.query(query)
                    at = next((names.index(key) for key in KEYS if key in names), 0)
                    if rows and result.node.config.severity.lower() == "error":
                        found[result.node.name] = {str(row[at]) for row in rows}
                told = result.node.name in verdict.daily
                assert told == (str(result.status) == "fail"), result.node.name
        return verdict


@pytest.fixture(
    scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def world(
    request: pytest.FixtureRequest,
    built: Built,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("daily")
    with copied(built, postgres_server, request.param, folder) as settings:
        yield World(built.root, request.param, dict(settings), folder)


@pytest.mark.slow
def test_the_story_of_a_daily_run(world: World) -> None:
    """One world through five days: nothing new, faults, the same faults again, fixed, and once more nothing."""
    ((verified,),) = world.query(MARK)

    quiet = world.daily("daily")
    assert quiet.daily == quiet.whole == {}
    assert "nothing new arrived since the last verification" in quiet.said
    assert world.query(MARK) == [(verified,)]

    # In the new slice; late, by its own time; a new version and a delete of old keys; and one that became visible
    # only when nobody looked there any more.
    world.arrive(
        "quotes",
        "new-1",
        OLD_QUOTE,
        volume="-1",
        quoted_at="timestamptz '2026-01-07 00:05:00+00:00'",
    )
    world.arrive("quotes", "late-1", OLD_QUOTE, price="1.5")
    world.arrive("quotes", "orphan-1", OLD_QUOTE, market_id="'nowhere'")
    world.arrive("quotes", OLD_QUOTE, OLD_QUOTE, depth_2pct="-1")
    world.arrive("quotes", OTHER_OLD_QUOTE, OTHER_OLD_QUOTE, __op="'d'", __deleted="'true'")
    world.arrive("quotes", "unseen-1", OLD_QUOTE, arrived=RUNS_LEFT_BEHIND, volume="-1")
    # Two old trades: the quote of one is corrected, that of the other is gone.
    (trade, traded), (orphan, untraded) = world.query(
        "select trade_id, quote_id from marts.mbp_trades order by traded_at limit 2"
    )
    world.arrive("quotes", traded, traded, volume="0")
    world.arrive("quotes", untraded, untraded, __op="'d'", __deleted="'true'")
    # A market that, as we now learn, had closed before the quotes that were verified.
    ((market, quotes),) = world.query(
        "select q.market_id, count(*) from marts.mbp_quotes as q inner join marts.mbp_markets as m"
        " on q.market_id = m.market_id where m.status = 'open' group by q.market_id order by 2 limit 1"
    )
    assert quotes > 1
    early = "timestamptz '2026-01-04 00:00:00+00:00'"
    world.arrive("markets", market, market, status="'closed'", closed_at=early, updated_at=early)

    faults = world.daily()
    assert faults.daily == faults.whole
    assert faults.daily["mbp_quotes_volume_range"] == {"new-1"}
    assert faults.daily["mbp_quotes_price_range"] == {"late-1"}
    assert faults.daily["mbp_quotes_fk"] == {"orphan-1"}
    assert faults.daily["mbp_quotes_depth_2pct_range"] == {OLD_QUOTE}
    assert len(faults.daily["quote_after_close"]) >= quotes
    assert faults.daily["trade_matches_quote"] | faults.daily["mbp_trades_quote_id_fk"] == {
        trade,
        orphan,
    }
    assert faults.statuses["datasets_verified"] == "skipped"
    assert world.query(MARK) == [(verified,)], "a failed run advanced the mark"
    kept = {row[0] for row in world.query("select quote_id from marts.mbp_quotes")}
    assert OTHER_OLD_QUOTE not in kept
    assert "unseen-1" not in kept, "it is for the nightly rule to find"
    (lost,) = judged(world.run("test", "--select", "mbp_quotes_cdc_no_loss"))
    assert (str(lost.status), lost.failures) == ("fail", 1)
    assert "nightly" in lost.node.tags

    # Nothing arrived since; it is looked at again all the same.
    again = world.daily()
    assert again.daily == again.whole == faults.daily
    assert world.query(MARK) == [(verified,)]

    later = "2026-01-07 04:00:00+00:00"
    for key in ("new-1", "late-1", "orphan-1"):
        world.arrive("quotes", key, key, arrived=later, __op="'d'", __deleted="'true'")
    world.arrive("quotes", OLD_QUOTE, OLD_QUOTE, arrived=later, depth_2pct="1")
    world.arrive("quotes", OTHER_OLD_QUOTE, OTHER_OLD_QUOTE, arrived=later, __deleted="'false'")
    world.arrive("quotes", traded, traded, arrived=later, volume="1000000")
    world.arrive("quotes", untraded, untraded, arrived=later)
    # A market cannot be opened again for the past: what was learned of it is taken back.
    world.execute(
        f"delete from sample_mbp.markets where market_id = '{market}' and __source_lsn >= {10**18}"
    )
    fixed = world.daily()
    assert fixed.daily == fixed.whole == {}
    ((advanced,),) = world.query(MARK)
    assert advanced > verified


def test_a_key_that_stands_twice_is_caught(world: World) -> None:
    """An index refuses it on PostgreSQL; DuckDB has none, so there the rule must look among the old rows."""
    if world.target != "duckdb":
        with pytest.raises(Exception, match="duplicate key"):
            world.execute("insert into marts.mbp_quotes select * from marts.mbp_quotes limit 1")
        return
    # A key that is looked at again, and whose arrival is too old for the increment to write it anew.
    ((key,),) = world.query(
        "select min(quote_id) from intermediate.int_mbp__quotes_latest where not is_deleted"
    )
    world.execute(
        f"update intermediate.int_mbp__quotes_latest set loaded_at = ({MARK}) - interval '90 minutes'"
        f" where quote_id = '{key}'"
    )
    world.execute(
        f"insert into marts.mbp_quotes select * replace (timestamptz '2026-01-05' as quoted_at)"
        f" from marts.mbp_quotes where quote_id = '{key}'"
    )
    world.arrive("quotes", "fresh-1", OLD_QUOTE, arrived="2026-01-07 05:00:00+00:00", volume="-1")
    ((verified,),) = world.query(MARK)
    verdict = world.daily()
    assert verdict.daily["mbp_quotes_quote_id_unique"] == {key}
    assert verdict.daily["mbp_quotes_volume_range"] == {"fresh-1"}
    assert verdict.daily == verdict.whole
    assert verdict.statuses["datasets_verified"] == "skipped"
    assert world.query(MARK) == [(verified,)], "a failed run advanced the mark"
    world.execute(
        f"delete from marts.mbp_quotes where quote_id = '{key}' and quoted_at = timestamptz '2026-01-05'"
    )


@pytest.mark.slow
def test_any_split_of_the_arrivals_has_the_verdict_of_the_whole(world: World) -> None:
    """The law, on drawn changes: after each delivery the daily run says what all rows say."""
    if world.target != "duckdb":
        pytest.skip("the SQL of the slice is the same on both engines; the story runs on both")
    draw = random.Random(7)  # noqa: S311 - a sample of cases, not a secret
    keys = [
        row[0] for row in world.query("select quote_id from marts.mbp_quotes order by quote_id")
    ]
    markets = [row[0] for row in world.query("select market_id from marts.mbp_markets order by 1")]
    faults: list[dict[str, str]] = [
        {},
        {"volume": "-1"},
        {"price": "2"},
        {"market_id": "'nowhere'"},
        {"__op": "'d'", "__deleted": "'true'"},
    ]
    # Each once to an old key and once to a new one, in any order.
    changes = [
        (draw.choice(keys) if old else f"drawn-{number}", draw.choice(keys), fault)
        for number, fault in enumerate(faults)
        for old in (True, False)
    ]
    draw.shuffle(changes)
    found: set[str] = set()
    for day, cut in ((8, changes[:5]), (9, changes[5:])):
        for key, like, fault in cut:
            world.arrive("quotes", key, like, arrived=f"2026-01-{day:02d} 12:00:00+00:00", **fault)
        gone = draw.choice(markets)
        world.arrive(
            "markets",
            gone,
            gone,
            arrived=f"2026-01-{day:02d} 12:00:00+00:00",
            __op="'d'",
            __deleted="'true'",
        )
        verdict = world.daily()
        assert verdict.daily == verdict.whole
        found |= verdict.daily.keys()
    assert {"mbp_quotes_fk", "mbp_quotes_volume_range", "mbp_quotes_price_range"} <= found


def test_no_rule_that_reads_the_slice_escapes_the_mark(world: World) -> None:
    """dbt holds the mark back for the tests of what it depends on, and for no others."""
    nodes = world.parsed().nodes
    above: set[str] = set()
    waiting = ["model.mbp.datasets_verified"]
    while waiting:
        node = nodes.get(waiting.pop())
        new = set(node.depends_on_nodes if node else ()) - above
        above |= new
        waiting.extend(new)
    policy = load_policy(world.root)
    rules = [
        rule
        for one in load_contracts(world.root)
        for rule in one.rules
        if nodes[f"model.mbp.{one.dataset}"].config.materialized == "incremental"
    ]
    tests = {
        node.config.meta.get("rule_id"): node
        for node in nodes.values()
        if node.resource_type == "test"
    }
    assert {rule.dataset for rule in rules} == {"mbp_quotes", "mbp_trades"}
    sliced = 0
    for rule in rules:
        node = tests[rule.id]
        assert ("nightly" in node.tags) == (rule.family in policy.nightly)
        # The averages have a table of their own, and freshness reads all logs: both look at everything every day.
        if (
            rule.family in policy.nightly
            or rule.family == "freshness"
            or rule.id.startswith("twap_")
        ):
            continue
        assert set(node.depends_on_nodes) <= above, rule.id
        sliced += 1
    assert sliced > 15


def test_the_history_of_a_market_has_what_the_rules_read_of_it(built: Built) -> None:
    """What rows of a rule follow from, by its compiled SQL: no column of markets more, and none less."""
    sql = "select table_schema, table_name, column_name from information_schema.columns"
    columns: dict[tuple[str, str], list[str]] = {}
    with built.open("duckdb") as warehouse:
        for schema, name, column in warehouse.query(sql)[1]:
            columns.setdefault((schema, name), []).append(column)
    relations = {
        (schema, name): Reads({one: frozenset({f"{name}.{one}"}) for one in found}, frozenset())
        for (schema, name), found in columns.items()
    }
    manifest = json.loads((built.artifacts("duckdb") / "manifest.json").read_text("utf-8"))
    readers = slice_readers(built.root)
    read: dict[str, set[str]] = {}
    for node in manifest["nodes"].values():
        if (name := (node.get("test_metadata") or {}).get("name")) not in readers:
            continue
        reads = followed(node["compiled_code"], "duckdb", relations)
        assert reads is not None, name
        named = {one.partition(".")[2] for one in reads.rows if one.startswith("mbp_markets.")}
        read[name] = named - {"market_id"}
    assert read == {name: {*one["since"], *one["value"]} for name, one in readers.items()}
    assert set().union(*read.values()) == {"closed_at", "closes_at", "min_liquidity"}


def test_a_measurement_that_is_judged_at_night_only_says_why(world: World) -> None:
    """Of the datasets the contracts say it, family by family."""
    told = {
        node.name: "nightly" in node.tags
        for node in world.parsed().nodes.values()
        if node.resource_type == "test"
        and node.config.meta.get("pack") == "A87"
        and ("nightly" in node.tags or "nightly_because" in node.config.meta)
    }
    assert len(told) > 5
    for node in world.parsed().nodes.values():
        if node.name in told:
            assert told[node.name], node.name
            assert node.config.meta.get("nightly_because"), node.name
