"""The law of `mbp_quotes`: however the change log is cut into increments, in whatever order the changes
arrive and however often, the rows are those of one full refresh."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mbp.runs.dbt_process import run_dbt

START = datetime(2026, 1, 5, tzinfo=UTC)
SELECTION = ["--select", "stg_mbp__quotes", "int_mbp__quotes_latest", "int_mbp__quotes_twap"]
RELATIONS = (
    "marts.mbp_quotes",
    "intermediate.int_mbp__quotes_latest",
    "intermediate.int_mbp__quotes_twap",
)


@dataclass(frozen=True)
class Change:
    """One change of one quote; `position` is unique in the log and grows with the commit time."""

    position: int
    quote: int
    market: int
    second: int
    price: int
    operation: str

    def row(self, arrived: datetime | None) -> tuple[Any, ...]:
        """The raw row, as it arrived at `arrived`."""
        price = f"0.{self.price:02d}"
        committed = int((START + timedelta(seconds=self.position)).timestamp() * 1000)
        if self.operation == "k":  # a delete that carries its key alone: Debezium's default
            nothing = (None,) * 6
            return (f"q{self.quote}", *nothing, "d", "true", committed, self.position, arrived)
        return (
            f"q{self.quote}",
            f"m{self.market}",
            START + timedelta(seconds=self.second),
            price,
            "0",
            "1",
            price,
            self.operation,
            "true" if self.operation == "d" else "false",
            int((START + timedelta(seconds=self.position)).timestamp() * 1000),
            self.position,
            arrived,
        )


class World:
    """A scratch warehouse whose raw quotes are the Parquet files of one folder."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.file = folder / "mbp.duckdb"
        self.files = folder / "quotes"
        self.files.mkdir(parents=True)
        self.batches = 0
        self.manifest: Any = None

    def connect(self) -> duckdb.DuckDBPyConnection:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()
        connection = duckdb.connect(str(self.file))
        connection.execute("set TimeZone = 'UTC'")
        return connection

    def deliver(self, rows: list[tuple[Any, ...]]) -> None:
        """Adds one batch to the raw log."""
        with self.connect() as connection:
            connection.execute(
                "create or replace temp table batch (quote_id varchar, market_id varchar,"
                " quoted_at timestamptz, price decimal(18, 8), volume decimal(18, 8),"
                " depth_2pct decimal(18, 8), twap_5m decimal(18, 8), __op varchar, __deleted varchar,"
                " __source_ts_ms bigint, __source_lsn bigint, _loaded_at timestamptz)"
            )
            if rows:
                connection.executemany(f"insert into batch values ({', '.join('?' * 12)})", rows)
            self.batches += 1
            connection.execute(f"copy batch to '{self.files}/{self.batches:03d}.parquet'")
            connection.execute("create schema if not exists raw_mbp")
            connection.execute(
                f"create or replace view raw_mbp.quotes as select * from '{self.files}/*.parquet'"
            )

    def run(self, *options: str) -> None:
        """Builds what depends on the raw quotes."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()
        changes = {"MBP_RAW": "loaded", "MBP_DUCKDB_PATH": str(self.file)}
        if self.manifest is None:
            parsed = run_dbt(
                self.root, ["parse"], artifacts=self.folder, changes=changes, quiet=True
            )
            assert parsed.success, parsed.problem
            self.manifest = parsed.result
        outcome = run_dbt(
            self.root,
            ["run", "--no-write-json", *SELECTION, "mbp_quotes", *options],
            artifacts=self.folder,
            changes=changes,
            manifest=self.manifest,
            quiet=True,
        )
        assert outcome.success, outcome.problem or [r.message for r in outcome.result]

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.connect() as connection:
            return {
                relation: connection.execute(f"select * from {relation} order by all").fetchall()
                for relation in RELATIONS
            }

    def restart(self) -> None:
        """Empties the world but keeps the parsed project."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()
        self.file.unlink(missing_ok=True)
        for file in self.files.iterdir():
            file.unlink()
        self.batches = 0


@pytest.fixture(scope="module")
def world(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield World(project_root, tmp_path_factory.mktemp("incremental"))


def assert_equals_full_refresh(world: World, batches: list[list[Change]]) -> None:
    world.restart()
    for number, batch in enumerate(batches):
        arrived = START + timedelta(hours=3 * number + 2)
        world.deliver(
            [change.row(arrived + timedelta(seconds=i)) for i, change in enumerate(batch)]
        )
        world.run()
    incremental = world.contents()
    world.run("--full-refresh")
    full = world.contents()
    for relation in RELATIONS:
        assert incremental[relation] == full[relation], relation


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5),  # quote
        st.integers(0, 1),  # market
        st.integers(0, 1200),  # second
        st.integers(1, 99),  # price in cents
        st.sampled_from("cuuudk"),
    ),
    min_size=2,
    max_size=24,
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    drawn=CHANGES,
    shuffle=st.integers(0, 2**31),
    cuts=st.lists(st.integers(0, 30), min_size=1, max_size=3),
    replayed=st.booleans(),
)
def test_any_split_of_the_log_equals_a_full_refresh(
    world: World, drawn: list[tuple[Any, ...]], shuffle: int, cuts: list[int], replayed: bool
) -> None:
    log = [Change(position + 1, *values) for position, values in enumerate(drawn)]
    order = random.Random(shuffle)  # noqa: S311 - a shuffle, not a secret
    delivered = log + order.sample(log, k=len(log) // 3)
    order.shuffle(delivered)
    edges = [0, *sorted(min(cut, len(delivered)) for cut in cuts), len(delivered)]
    batches = [delivered[start:end] for start, end in itertools.pairwise(edges)]
    batches = [batch for batch in batches if batch]
    if replayed:
        batches.append(batches[0])
    assert_equals_full_refresh(world, batches)


@pytest.mark.slow
def test_a_late_older_change_neither_undoes_nor_revives(world: World) -> None:
    """The cases that a naive watermark or a naive merge gets wrong, in one log."""
    created = Change(1, 0, 0, 10, 50, "c")
    corrected = Change(5, 0, 0, 20, 60, "u")
    other = Change(2, 1, 0, 30, 40, "c")
    deleted = Change(6, 1, 0, 30, 40, "d")
    late = Change(3, 0, 0, 15, 55, "u")
    revived = Change(4, 1, 0, 30, 45, "u")
    assert_equals_full_refresh(
        world, [[corrected, other], [deleted, created], [late, revived], [corrected, late]]
    )
    rows = world.contents()["marts.mbp_quotes"]
    assert [(row[0], str(row[3])) for row in rows] == [("q0", "0.60000000")]


@pytest.mark.slow
def test_a_failed_mart_is_caught_up_by_the_next_run(world: World) -> None:
    """The state model may run ahead of the mart; the mart then starts from its own watermark."""
    world.restart()
    first, second, third = (Change(n, n, 0, 10 * n, 50, "c") for n in (1, 2, 3))
    world.deliver([first.row(START + timedelta(hours=1))])
    world.run()
    world.deliver([second.row(START + timedelta(hours=9))])
    world.run("--exclude", "mbp_quotes")
    world.deliver([third.row(START + timedelta(hours=18))])
    world.run()
    assert [row[0] for row in world.contents()["marts.mbp_quotes"]] == ["q1", "q2", "q3"]


@pytest.mark.slow
def test_a_quote_that_moves_or_goes_changes_the_averages_it_leaves(world: World) -> None:
    """The averages of a market follow from all its quotes: leaving one is a change too."""
    leaver = Change(1, 0, 0, 10, 20, "c")
    stays = Change(2, 2, 0, 200, 50, "c")
    moved = Change(3, 0, 1, 10, 20, "u")
    later = Change(4, 0, 0, 290, 20, "u")
    gone = Change(5, 0, 0, 10, 20, "d")
    elsewhere = Change(6, 9, 9, 0, 50, "c")  # moves the watermark past the first two
    key_only = Change(5, 0, 0, 10, 20, "k")
    for change in (moved, later, gone, key_only):
        assert_equals_full_refresh(world, [[leaver, stays], [elsewhere], [change]])


@pytest.mark.slow
def test_a_table_that_was_built_empty_fills_up(world: World) -> None:
    """Nothing applied yet is no watermark: everything is looked at."""
    world.restart()
    world.deliver([])
    world.run()
    world.deliver([Change(1, 0, 0, 10, 50, "c").row(START + timedelta(hours=1))])
    world.run()
    assert [len(rows) for rows in world.contents().values()] == [1, 1, 1]


@pytest.mark.slow
def test_a_row_without_an_arrival_is_replaced(world: World) -> None:
    """`cdc_order` reports it. Its key must not stand twice, and its market is averaged without it."""
    world.restart()
    start, hour = START + timedelta(hours=1), timedelta(hours=1)
    world.deliver([Change(1, 0, 0, 10, 50, "c").row(None), Change(2, 1, 0, 20, 40, "c").row(start)])
    world.run()
    world.deliver([Change(3, 0, 0, 310, 60, "u").row(start + 9 * hour)])
    world.run()
    incremental = world.contents()
    world.run("--full-refresh")
    assert incremental == world.contents()
    assert len(incremental["marts.mbp_quotes"]) == 2
