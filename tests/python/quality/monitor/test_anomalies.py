"""Daily arrivals against the days before them: the robust z-score of the literature, on both engines."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect
from tests.python.built import Built, copied

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
# The sample ends on 2026-01-07 at midnight or just before: the day before its last is complete.
LAST = date(2026, 1, 5)
DATASET = "mbp_quotes"
VOLUMES = [1000, 1040, 990, 1010, 960, 1005, 1020, 985, 1015, 1030]


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(
    request: pytest.FixtureRequest,
    built: Built,
    postgres_server: PostgresServer,
    tmp_path: Path,
    project_root: Path,
) -> Iterator[Warehouse]:
    with (
        copied(built, postgres_server, request.param, tmp_path) as settings,
        environment(settings),
        connect(project_root, request.param) as opened,
    ):
        yield opened


def arrive(warehouse: Warehouse, changes: Mapping[date, int], silence_seconds: int = 900) -> None:
    """Replaces what arrived by days with so many changes each."""
    warehouse.execute("delete from intermediate.int_mbp__daily_arrivals")
    for day, count in changes.items():
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        warehouse.execute(
            "insert into intermediate.int_mbp__daily_arrivals (arrivals_id, dataset, arrival_date,"
            " changes, first_arrival_at, last_arrival_at, longest_silence_seconds) values"
            f" ('{DATASET}/{day}', '{DATASET}', '{day}', {count}, '{start + timedelta(minutes=1)}',"
            f" '{start + timedelta(hours=23, minutes=50)}', {silence_seconds})"
        )


def days(count: int, last: date = LAST) -> list[date]:
    return [last - timedelta(days=back) for back in range(count - 1, -1, -1)]


def of(warehouse: Warehouse, measure: str) -> dict[date, dict[str, Any]]:
    columns, rows = warehouse.query(
        f"select * from reliability.dq_anomalies where measure = '{measure}'"
    )
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return {row["arrival_date"]: row for row in found}


def robust_z(value: float, earlier: Sequence[float]) -> float:
    """Iglewicz and Hoaglin (1993), with the smallest scale of the policy, 5 % of the median."""
    middle = statistics.median(earlier)
    distances = [abs(one - middle) for one in earlier]
    spread = statistics.median(distances) / 0.6745
    spread = spread or 1.253314 * statistics.fmean(distances)
    return (value - middle) / max(spread, 0.05 * middle)


def test_every_day_has_the_score_of_the_formula(warehouse: Warehouse) -> None:
    counts = [VOLUMES[index % 10] * (1 + index % 3) for index in range(40)]
    arrive(warehouse, dict(zip(days(40), counts, strict=True)))
    found = of(warehouse, "volume")
    # The first day is cut off by the start of the log.
    assert set(found) == set(days(39))
    for index, day in enumerate(days(40)):
        if index == 0:
            continue
        earlier = counts[max(1, index - 28) : index]
        row = found[day]
        assert row["days_compared"] == len(earlier)
        if len(earlier) < 7:
            assert row["verdict"] == "insufficient data"
            continue
        score = robust_z(counts[index], earlier)
        assert math.isclose(float(row["robust_z"]), score, abs_tol=1e-4), day
        assert row["verdict"] == ("anomaly" if abs(score) > 3.5 else "ok")
    assert {row["owner"] for row in found.values()} == {"DATA"}
    assert {row["rule_id"] for row in found.values()} == {"mbp_quotes_volume"}


@pytest.mark.parametrize("count", [0, 100, 5000])
def test_an_unusual_day_is_an_alert_and_an_empty_one_too(warehouse: Warehouse, count: int) -> None:
    usual = dict(zip(days(30), VOLUMES * 3, strict=True))
    arrive(warehouse, usual)
    alerts = "select kind, rule_id, owner from reliability.dq_alerts where kind like 'unusual%'"
    assert warehouse.query(alerts)[1] == []
    # A day on which nothing arrived has no row at all.
    arrive(warehouse, {**usual, LAST: count} if count else {d: usual[d] for d in days(30)[:-1]})
    expected = [("unusual volume", "mbp_quotes_volume", "DATA")]
    if not count:
        expected.append(("unusual freshness", "mbp_quotes_freshness", "DATA"))
    assert sorted(warehouse.query(alerts)[1]) == sorted(expected)
    assert of(warehouse, "volume")[LAST]["measured_value"] == count


def test_a_day_without_arrivals_was_silent_from_the_last_arrival_to_its_end(
    warehouse: Warehouse,
) -> None:
    arrive(warehouse, dict(zip(days(29, LAST - timedelta(days=1)), VOLUMES * 3, strict=False)))
    row = of(warehouse, "freshness")[LAST]
    assert row["measured_value"] == 600 + 86400
    assert row["verdict"] == "anomaly"


def test_shorter_silences_are_no_anomaly(warehouse: Warehouse) -> None:
    arrive(warehouse, dict(zip(days(30), VOLUMES * 3, strict=True)))
    warehouse.execute(
        "update intermediate.int_mbp__daily_arrivals set longest_silence_seconds = 60"
        f" where arrival_date = '{LAST}'"
    )
    assert of(warehouse, "freshness")[LAST]["verdict"] == "ok"


def test_too_few_days_say_nothing(warehouse: Warehouse) -> None:
    arrive(warehouse, dict(zip(days(5), VOLUMES, strict=False)))
    assert {row["verdict"] for row in of(warehouse, "volume").values()} == {"insufficient data"}


def test_the_arrivals_of_the_sample_are_counted_by_day(warehouse: Warehouse) -> None:
    _, rows = warehouse.query(
        "select dataset, arrival_date, changes, longest_silence_seconds"
        " from intermediate.int_mbp__daily_arrivals order by 1, 2"
    )
    for dataset, day, changes, silence in rows:
        _, log = warehouse.query(
            f"select loaded_at from staging.stg_{dataset.replace('mbp_', 'mbp__')} order by 1"
        )
        arrivals = [moment.astimezone(UTC) for (moment,) in log]
        mine = [moment for moment in arrivals if moment.date() == day]
        assert changes == len(mine)
        gaps = [
            (later - earlier).total_seconds()
            for earlier, later in itertools.pairwise(arrivals)
            if later.date() == day
            and later.replace(second=0, microsecond=0) != earlier.replace(second=0, microsecond=0)
        ]
        assert math.isclose(float(silence), max(gaps, default=0), abs_tol=1e-6), (dataset, day)
    assert sum(row[2] for row in rows) > 4000
