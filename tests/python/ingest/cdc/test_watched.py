"""What the control tables say, and which of it is an alarm: good and bad data for each, on both engines."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import get_type_hints

import pytest

from lab.postgres_server import PostgresServer
from mbp.contracts.alarm_limits import FILE, AlarmEntries, Limits, load_limits
from mbp.core.errors import MbpError
from mbp.ingest.cdc.watched import WatchedCapture, alarms, read_watched
from mbp.ingest.initialise import initialise
from mbp.operate.hooks.alarming import samples
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair

ALIVE = "insert into raw_mbp._cdc_readers values ('mbp_cdc', {skew}, 0.001, {kept}, 1000, {at})"
POSITION = "insert into raw_mbp._cdc_position values ('mbp_cdc', 100, current_timestamp)"
LETTER = (
    "insert into raw_mbp._cdc_dead_letters (letter_id, slot, table_name, position, kind)"
    " values ('{key}', '{slot}', 'quotes', 7, 'value')"
)
STOPPED = "insert into raw_mbp._cdc_streams values ('mbp_cdc', 'markets', 5, 'dropped', current_timestamp)"


@dataclass(frozen=True)
class Place:
    """An initialised warehouse without a source."""

    root: Path
    target: str
    limits: Limits

    def open(self) -> Warehouse:
        return connect(self.root, self.target)

    def execute(self, *statements: str) -> None:
        with self.open() as warehouse:
            for statement in statements:
                warehouse.execute(statement)

    def watched(self) -> WatchedCapture:
        with self.open() as warehouse:
            return read_watched(warehouse)

    def told(self) -> list[tuple[str, str, str]]:
        seen = self.watched()
        return [
            (one.id, one.subject, one.severity) for one in alarms(seen, self.limits, seen.read_at)
        ]


@pytest.fixture(params=["duckdb", "postgres"])
def place(
    request: pytest.FixtureRequest,
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
) -> object:
    settings = {
        **postgres_server.environment(postgres_database),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
    }
    with environment(settings):
        with connect(project_root, request.param) as warehouse:
            initialise(project_root, warehouse)
        yield Place(project_root, request.param, load_limits(project_root))


def alive(skew: float = 0.01, kept: object = 100, seconds: float = 3) -> str:
    at = f"current_timestamp - interval '{seconds} seconds'"
    return ALIVE.format(skew=skew, kept=kept, at=at)


def test_nobody_ever_wrote_and_that_is_no_error(place: Place) -> None:
    assert place.told() == []
    assert samples(place.watched()) == []
    place.execute("drop schema raw_mbp cascade")
    assert place.told() == []


def test_a_reader_that_lives_is_no_alarm(place: Place) -> None:
    place.execute(POSITION, alive())
    assert place.told() == []
    (reader,) = place.watched().readers
    assert (reader.retained_bytes, reader.limit_bytes) == (100, 1000)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([alive(kept=500)], []),
        ([alive(kept=501)], [("cdc_slot_filling", "mbp_cdc", "ticket")]),
        ([alive(kept=800)], [("cdc_slot_filling", "mbp_cdc", "ticket")]),
        ([alive(kept=801)], [("cdc_slot_nearly_full", "mbp_cdc", "page")]),
        ([alive(kept=2000)], [("cdc_slot_nearly_full", "mbp_cdc", "page")]),
        ([alive(kept="null")], [("cdc_slot_lost", "mbp_cdc", "page")]),
        ([alive(seconds=50)], []),
        ([alive(seconds=61)], [("cdc_reader_silent", "mbp_cdc", "page")]),
        ([alive(seconds=-3)], []),
        ([alive(seconds=-600)], [("cdc_reader_silent", "mbp_cdc", "page")]),
        ([alive(skew=5)], []),
        ([alive(skew=5.1)], [("cdc_clock_skew", "mbp_cdc", "ticket")]),
        ([alive(skew=-5.1)], [("cdc_clock_skew", "mbp_cdc", "ticket")]),
        (
            [alive(), LETTER.format(key="a", slot="mbp_cdc")],
            [("cdc_dead_letters", "mbp_cdc/quotes", "ticket")],
        ),
        # Landed files have no reader that lives, and letters all the same.
        (
            [alive(), LETTER.format(key="a", slot="mbp_landing")],
            [("cdc_dead_letters", "mbp_landing/quotes", "ticket")],
        ),
        ([alive(), STOPPED], [("cdc_stream_stopped", "mbp_cdc/markets", "page")]),
    ],
)
def test_each_alarm_has_its_threshold(
    place: Place, statements: Sequence[str], expected: Sequence[tuple[str, str, str]]
) -> None:
    place.execute(POSITION, *statements)
    assert place.told() == expected


def test_alarms_are_pure_and_in_order(place: Place) -> None:
    letter = LETTER.format(key="a", slot="mbp_cdc")
    place.execute(POSITION, alive(9, 900, 90), STOPPED, letter)
    seen = place.watched()
    first = alarms(seen, place.limits, seen.read_at)
    assert first == alarms(seen, place.limits, seen.read_at)
    names = [one.id for one in first]
    assert names == sorted(names)
    assert set(names) == set(get_type_hints(AlarmEntries)) - {
        "cdc_slot_filling",
        "cdc_slot_lost",
        "cdc_unseen",
    }
    assert all(one.message and one.fix for one in first)
    # As of another instant: only the silence is a matter of time.
    before = alarms(seen, place.limits, seen.read_at - timedelta(seconds=60))
    assert set(names) - {one.id for one in before} == {"cdc_reader_silent"}


def test_a_reader_that_died_before_it_measured_is_silent(place: Place) -> None:
    place.execute(
        "insert into raw_mbp._cdc_position values"
        " ('mbp_cdc', 100, current_timestamp - interval '5 minutes'),"
        " ('mbp_landing', 100, current_timestamp - interval '5 minutes')"
    )
    assert place.told() == [("cdc_reader_silent", "mbp_cdc", "page")]
    # The first snapshot writes its position before it has one.
    place.execute("update raw_mbp._cdc_position set position = -1")
    assert place.told() == []


def test_a_warehouse_of_an_older_release_is_refused(place: Place) -> None:
    place.execute("drop table raw_mbp._cdc_readers")
    assert place.told() == []
    place.execute(POSITION)
    with pytest.raises(MbpError, match=r"_cdc_readers is not in the warehouse.*mbp db init"):
        place.watched()


def test_a_role_that_may_not_look_does_not_say_that_all_is_well(place: Place) -> None:
    if place.target == "duckdb":
        pytest.skip("DuckDB has no roles")
    place.execute(POSITION, alive(kept=900))
    with environment({"MBP_PG_ROLE": "mbp_transformer"}):
        assert place.told() == [("cdc_slot_nearly_full", "mbp_cdc", "page")]
    with environment({"MBP_PG_ROLE": "mbp_reader"}):
        assert [one[0] for one in place.told()] == ["cdc_unseen"]
        assert samples(place.watched()) == [("mbp_cdc_unseen", {}, 4)]


def test_letters_stops_slot_and_clock_of_a_real_reader(pair: Pair) -> None:
    pair.execute("alter table markets alter column min_liquidity type numeric", market.quotes(1, 3))
    pair.read()
    pair.execute(
        "insert into markets (market_id, min_liquidity) values ('m', 0.123456789)",
        "alter table quotes drop column price",
        "insert into quotes (quote_id) values ('q')",
    )
    pair.read()
    with connect(pair.root, pair.target, read_only=True) as warehouse:
        seen = read_watched(warehouse)
    found = {(name, labels.get("table")): value for name, labels, value in samples(seen)}
    assert found["mbp_cdc_dead_letters", "markets"] == 1
    assert found["mbp_cdc_dead_letters", "quotes"] == 1
    assert found["mbp_cdc_dead_letters", "resolutions"] == 0
    assert found["mbp_cdc_stream_stopped", "quotes"] == 1
    assert found["mbp_cdc_stream_stopped", "markets"] == 0
    assert 0 <= found["mbp_cdc_slot_retained_bytes", None] < found["mbp_cdc_slot_limit_bytes", None]
    assert abs(found["mbp_cdc_clock_skew_seconds", None]) < 0.5
    assert 0 <= found["mbp_cdc_reader_age_seconds", None] < 60
    raised = alarms(seen, load_limits(pair.root), seen.read_at)
    assert [(one.id, one.subject) for one in raised] == [
        ("cdc_dead_letters", "mbp_cdc/markets"),
        ("cdc_dead_letters", "mbp_cdc/quotes"),
        ("cdc_stream_stopped", "mbp_cdc/quotes"),
    ]
    assert "data_contract_break" in raised[-1].message


@pytest.mark.parametrize(
    ("find", "replace", "told"),
    [
        ("above_percent: 80", "above_percent: 40", r"cdc_alarms.yaml:\d+: cdc_slot_nearly_full is"),
        ("above_percent: 80", "above_percent: 101", "101"),
        (
            "above_seconds: 60",
            "above_minutes: 1",
            r":\d+: unknown key 'above_minutes' in alarms.cdc_reader_silent",
        ),
        ("above_seconds: 60", "above_seconds: 0", "above_seconds"),
        ("  cdc_unseen:", "  cdc_seen:", "unknown key 'cdc_seen'"),
        ("severity: ticket", "severity: loud", r":\d+: .*severity"),
        ("owner: DATA", "owner: DATUM", r":10: unknown owner 'DATUM'.*did you mean 'DATA'"),
        ("cdc_lag.md", "lag.md", r":11: the runbook docs/runbooks/lag.md does not exist"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    project_root: Path, tmp_path: Path, find: str, replace: str, told: str
) -> None:
    root = copy(project_root, tmp_path)
    path = root / FILE
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))
    with pytest.raises(MbpError, match=told):
        load_limits(root)


def test_the_limit_of_the_clocks_is_the_one_of_the_project(
    project_root: Path, tmp_path: Path
) -> None:
    root = copy(project_root, tmp_path)
    path = root / "dbt_project.yml"
    text = path.read_text()
    path.write_text(text.replace("mbp_clock_skew_seconds: 5", "mbp_clock_skew_seconds: 2"))
    assert load_limits(root).skew_seconds == 2
    path.write_text(text.replace("mbp_clock_skew_seconds: 5", "mbp_clock_skew_seconds: soon"))
    with pytest.raises(MbpError, match="mbp_clock_skew_seconds is 'soon'"):
        load_limits(root)


def copy(project_root: Path, folder: Path) -> Path:
    for part in ("contracts/a89", "contracts/a110", "docs/runbooks"):
        shutil.copytree(project_root / part, folder / part)
    shutil.copy(project_root / "dbt_project.yml", folder)
    return folder
