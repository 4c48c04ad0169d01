"""Sizes, clocks and seeds: what was asked for is what is made, always the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import sample as run
from lab.simulate import Parameters, RawWorld, generate
from lab.simulate.schema import TABLES
from lab.simulate.spool import Spool
from lab.simulate.writers import CSV_NAMES
from mbp.core.errors import MbpError

ROOT = Path(__file__).resolve().parents[4]
LARGEST_SEED, LARGEST_SAMPLE = 1_000_000, 5_000_000


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, file_format: str) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        parameters = Parameters.of(quotes=2_000, seed=seed)
        run.simulate(parameters, file_format=file_format, output=tmp_path / name)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert len(one) == len(TABLES)
    assert one == two
    assert set(one) == set(three)
    assert not set(one.values()) & set(three.values())


def test_the_committed_sample_is_what_the_simulator_makes(tmp_path: Path) -> None:
    run.simulate(Parameters(), output=tmp_path / "sample")
    made, sample = digests(tmp_path / "sample"), ROOT / "seeds" / "sample"
    committed = {name: digest for name, digest in digests(sample).items() if name in CSV_NAMES}
    assert made == committed, "the sample is stale: run `mbp simulate` and commit seeds/sample"
    sizes = [(sample / name).stat().st_size for name in CSV_NAMES]
    assert max(sizes) < LARGEST_SEED
    assert sum(sizes) < LARGEST_SAMPLE


@pytest.mark.parametrize(
    ("quotes", "markets", "days"), [(20, 1, 1), (60, 3, 1), (900, 40, 30), (3_000, 1, 2)]
)
def test_quotes_and_markets_are_hit(quotes: int, markets: int, days: int) -> None:
    world = generate(Parameters(quotes=quotes, markets=markets, days=days))
    keys = {row["quote_id"] for row in world.rows("mbp.quotes")}
    assert abs(len(keys) - quotes) <= max(1, 0.05 * quotes)
    assert len({row["market_id"] for row in world.rows("mbp.quotes")}) == markets


def test_the_span_rate_is_hit() -> None:
    world = generate(Parameters.of(quotes=400, days=1, rps=0.1))
    names = [row["name"] for row in world.rows("ops.otel_spans")]
    assert abs(names.count("decision.core") / 86_400 - 0.1) < 0.005


def test_nothing_happens_after_the_end() -> None:
    start = datetime(2025, 6, 1, tzinfo=UTC)
    world = generate(Parameters.of(quotes=1_000, days=1, start=start))
    end = datetime(2025, 6, 2, tzinfo=UTC)
    assert max(row["quoted_at"] for row in world.rows("mbp.quotes")) < end
    assert max(row["updated_at"] for row in world.rows("mbp.markets")) < end
    assert min(row["_loaded_at"] for row in world.rows("mbp.quotes")) >= start


def test_other_seeds_are_clean_too() -> None:
    """Many small worlds; the rules that hang on the price path are checked on each."""
    broken = """
        with spans as (
            select market_id, status, updated_at as since, coalesce(lead(updated_at) over (
                partition by market_id order by __source_lsn), 'infinity') as until
            from (select distinct on (market_id, __source_lsn) * from markets)
        ),
        off as (
            select market_id, cast(floor(epoch_us(quoted_at) / 3e8) as bigint) as slot
            from quotes where abs(price - twap_5m) > twap_5m / 100 and not exists (
                from spans where spans.market_id = quotes.market_id and status = 'paused'
                and quoted_at between since and until)
        ),
        trades as (
            select quotes.market_id from quotes join spans on quotes.market_id = spans.market_id
            and quoted_at > since and quoted_at < until where volume > 0 and status <> 'open'
        )
        select market_id from off semi join off as next
        on off.market_id = next.market_id and next.slot = off.slot + 1
        union all select market_id from trades
    """
    paused = 0
    for seed in range(12):
        world = generate(Parameters.of(quotes=3_000, days=1, seed=seed))
        with duckdb.connect() as connection:
            connection.register("log", world["mbp.quotes"])
            connection.register("markets", world["mbp.markets"])
            connection.execute(
                """create temp table quotes as select distinct on (quote_id) * from log
                order by quote_id, __source_lsn desc"""
            )
            connection.execute("delete from quotes where __op = 'd'")
            assert connection.execute(broken).fetchall() == [], f"seed {seed}"
        paused += sum(row["status"] == "paused" for row in world.rows("mbp.markets"))
    assert paused > 12, "no circuit breaker and no abuse paused anything"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"markets": 0}, "--markets 0"),
        ({"days": 0}, "--days 0"),
        ({"quotes": 10}, "--quotes 10 over --markets 16"),
        ({"quotes": 2_000_000}, "--quotes 2000000 over --markets 16"),
        ({"rps": 0.0}, "--rps 0.0"),
        ({"rps": float("nan")}, "--rps nan"),
        ({"seed": -1}, "--seed -1"),
        ({"start": datetime(2026, 1, 1)}, "no time zone"),
        ({"days": 500_000}, "64 bits"),
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(MbpError, match=named):
        Parameters(**wrong)  # type: ignore[arg-type]


def test_the_size_not_given_follows_from_the_other() -> None:
    assert Parameters.of() == Parameters()
    assert Parameters.of(quotes=10_000_000).markets == 40_000
    assert Parameters.of(markets=100).quotes == 25_000
    assert Parameters.of(quotes=40).markets == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=40), max_size=6))
def test_the_spool_gives_back_everything_in_order(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[int]]
) -> None:
    record = np.dtype([("loaded", "<i8"), ("run", "<i4")])
    spool = Spool(record, tmp_path_factory.mktemp("spool"), rows_per_slice=16)
    for number, run_ in enumerate(runs):
        rows = np.array([(value, number) for value in sorted(run_)], dtype=record)
        spool.add(rows)
    got = [tuple(row) for part in spool.in_order() for row in part.tolist()]
    assert got == sorted((value, number) for number, run_ in enumerate(runs) for value in run_)


SMOKE = r"""
import re, sys
from pathlib import Path
from lab import sample
from lab.simulate import Parameters
sample.simulate(Parameters.of(quotes=200_000), file_format="parquet", output=Path(sys.argv[1]))
# Not ru_maxrss: a new process inherits that from the one that started it.
print(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_parquet_at_scale_is_typed_ordered_and_frugal(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    done = subprocess.run(
        [sys.executable, "-c", SMOKE, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 800_000, "more than 800 MB at 200,000 quotes"
    assert "200,000 of 200,000 quotes" in done.stderr, "a pipe gets plain lines of progress"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        quotes = f"read_parquet('{folder}/mbp.quotes/*.parquet')"
        types = dict(
            connection.execute(
                f"select column_name, column_type from (describe select * from {quotes})"
            ).fetchall()
        )
        assert types["price"] == types["volume"] == types["twap_5m"] == "DECIMAL(18,8)"
        assert types["quoted_at"] == types["_loaded_at"] == "TIMESTAMP WITH TIME ZONE"
        assert types["__source_lsn"] == types["__source_ts_ms"] == "BIGINT"
        (keys,) = connection.execute(f"select count(distinct quote_id) from {quotes}").fetchone()
        assert abs(keys - 200_000) <= 10_000
        (backwards,) = connection.execute(
            f"""select count(*) from (select _loaded_at < lag(_loaded_at) over (
            order by file_row_number) as earlier from read_parquet(
            '{folder}/mbp.quotes/part-00000.parquet', file_row_number = true)) where earlier"""
        ).fetchone()
        assert backwards == 0
        orphans = f"""select count(*) from {quotes} where market_id not in (
            select market_id from read_parquet('{folder}/mbp.markets/*.parquet'))"""
        assert connection.execute(orphans).fetchone() == (0,)


def test_a_world_is_copied_without_being_shared(clean_world: RawWorld) -> None:
    changed = clean_world.copy()
    changed.replace("mbp.resolutions", changed.rows("mbp.resolutions")[:-1])
    assert changed.changed_tables(clean_world) == ["mbp.resolutions"]
    assert clean_world["mbp.resolutions"].num_rows == changed["mbp.resolutions"].num_rows + 1
    assert changed["mbp.quotes"] is clean_world["mbp.quotes"]
