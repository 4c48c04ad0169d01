"""Rules that look only at the newest arrivals: what they must still catch, and what they may leave out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mbp.building.dbt_process import run_dbt

SINCE = "2026-01-06 23:00:00"  # less the lookback of an hour: arrivals from 22:00 on
OLD, NEW = "2026-01-05 12:00:00+00:00", "2026-01-06 23:30:00+00:00"
RULES = (
    "mbp_quotes_volume_range",
    "mbp_quotes_quote_id_unique",
    "mbp_quotes_fk",
    "assert_quote_after_close",
)


class Built:
    """The sample, built once; each test breaks the tables and mends them again."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.file = folder / "mbp.duckdb"
        self.changes = {"MBP_DUCKDB_PATH": str(self.file), "MBP_RAW": "sample"}
        self.run(
            "build", "--select", "+mbp_quotes", "+mbp_markets", "--exclude-resource-type", "test"
        )

    def run(self, *arguments: str) -> Any:
        return run_dbt(
            self.root, list(arguments), artifacts=self.folder, changes=self.changes, quiet=True
        )

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for statement in statements:
                connection.execute(statement)

    def failed(self, since: str) -> set[str]:
        """Names of the rules that fail, looking at arrivals since then (all without a date)."""
        outcome = self.run(
            "test", "--select", *RULES, "--vars", json.dumps({"mbp_slice_since": since})
        )
        assert outcome.problem is None, outcome.problem
        assert len(outcome.result) == len(RULES)
        return {result.node.name for result in outcome.result if str(result.status) != "pass"}


@pytest.fixture(scope="module")
def built(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(project_root, tmp_path_factory.mktemp("slice"))


@pytest.fixture
def mended(built: Built) -> Iterator[Built]:
    tables = ("marts.mbp_quotes", "intermediate.int_mbp__quotes_latest")
    built.execute(*(f"create or replace table kept_{n} as from {t}" for n, t in enumerate(tables)))
    yield built
    built.execute(
        *(
            statement
            for n, t in enumerate(tables)
            for statement in (f"delete from {t}", f"insert into {t} from kept_{n}")
        )
    )


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ("2099-01-01 00:00:00", "after the newest arrival"),
        ("2026-01-06 23:00:00+02:00", "expected a UTC instant"),
        ("yesterday", "expected a UTC instant"),
    ],
)
def test_a_slice_that_would_check_nothing_is_refused(built: Built, since: str, told: str) -> None:
    outcome = built.run(
        "test", "--select", "mbp_quotes_fk", "--vars", json.dumps({"mbp_slice_since": since})
    )
    assert not outcome.success
    messages = [str(result.message) for result in outcome.result or ()] + [str(outcome.problem)]
    assert any(told in message for message in messages), messages


def arrive(
    quote: str, arrived: str, quoted: str, volume: int = 1, market: str | None = None
) -> tuple[str, ...]:
    """Statements that add a quote to both states as if it had arrived then."""
    chosen = (
        f"'{market}'"
        if market
        else "(select min(market_id) from marts.mbp_markets where status = 'open')"
    )
    return (
        f"insert into marts.mbp_quotes select '{quote}', {chosen}, timestamptz '{quoted}', 0.5, {volume}, 1, 0.5",
        f"insert into intermediate.int_mbp__quotes_latest select '{quote}', {chosen},"
        f" timestamptz '{quoted}', 0.5, {volume}, 1, 0.5, false, 1, timestamptz '{arrived}'",
    )


@pytest.mark.slow
def test_the_clean_sample_passes_both_ways(built: Built) -> None:
    assert built.failed("") == set()
    assert built.failed(SINCE) == set()


@pytest.mark.slow
def test_a_fault_in_the_new_slice_is_caught_whatever_its_own_time(mended: Built) -> None:
    mended.execute(
        *arrive("late", NEW, OLD, volume=-1), *arrive("orphan", NEW, NEW, market="nowhere")
    )
    assert mended.failed(SINCE) == {"mbp_quotes_volume_range", "mbp_quotes_fk"}


@pytest.mark.slow
def test_a_new_key_that_collides_with_an_old_one_is_caught(mended: Built) -> None:
    mended.execute(*arrive("old", OLD, OLD))
    mended.execute(
        arrive("old", NEW, NEW)[0],
        "update intermediate.int_mbp__quotes_latest"
        f" set loaded_at = timestamptz '{NEW}' where quote_id = 'old'",
    )
    assert mended.failed(SINCE) == {"mbp_quotes_quote_id_unique"}


@pytest.mark.slow
def test_an_old_fault_is_left_to_the_full_run(mended: Built) -> None:
    mended.execute(*arrive("old", OLD, OLD, volume=-1))
    assert mended.failed(SINCE) == set()
    assert mended.failed("") == {"mbp_quotes_volume_range"}
