"""The KPI models against a recomputation by hand, across engines, and under bad telemetry."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from lab.simulate.schema import KEYS, LOGS
from mbp.runs.dbt_process import environment
from tests.python.built import Built
from tests.python.operate.hooks.conftest import Site

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)
MEASURED = (
    "kpi_decision_latency",
    "kpi_cdc_lag",
    "kpi_interaction",
    "kpi_price_divergence",
    "kpi_market_hours",
    "kpi_market_events",
    "kpi_audit",
)
# Quotes that are alone in their hour are deleted: their windows must go.
ALONE = """
insert into sample_mbp.quotes (quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m,
    __op, __deleted, __source_ts_ms, __source_lsn, _loaded_at)
select max(quote_id), market_id, max(quoted_at), max(price), max(volume), max(depth_2pct),
    max(twap_5m), 'd', 'true', max(__source_ts_ms) + 1,
    (select max(__source_lsn) + 1 from sample_mbp.quotes), timestamptz '2026-01-06 23:59:40+00'
from sample_mbp.quotes
group by market_id, date_trunc('hour', quoted_at)
having count(*) = 1
"""
BAD = {
    "span without an end": (
        "insert into sample_ops.otel_spans (trace_id, span_id, name, start_time_unix_nano, _loaded_at)"
        " values ('t1', 's1', 'decision.core', 1767700000000000000, '2026-01-06 23:40:00+00')"
    ),
    "span of negative duration": (
        "insert into sample_ops.otel_spans (trace_id, span_id, name, start_time_unix_nano,"
        " end_time_unix_nano, _loaded_at) values ('t2', 's2', 'decision.core',"
        " 1767743000000000000, 1767742999000000000, '2026-01-06 23:44:00+00')"
    ),
    "span without an identifier": (
        "insert into sample_ops.otel_spans (trace_id, name, start_time_unix_nano,"
        " end_time_unix_nano, _loaded_at) values ('t3', 'decision.core',"
        " 1767742999000000000, 1767743000000000000, '2026-01-06 23:44:00+00')"
    ),
    "span arrived before it ended": (
        "insert into sample_ops.otel_spans (trace_id, span_id, name, start_time_unix_nano,"
        " end_time_unix_nano, _loaded_at) values ('t4', 's4', 'step',"
        " 1767742999000000000, 1767743000000000000, '2026-01-06 20:00:00+00')"
    ),
    "duplicate span": (
        "insert into sample_ops.otel_spans select trace_id, span_id, parent_span_id, name,"
        " service_name, span_kind, start_time_unix_nano, end_time_unix_nano + 1, status_code,"
        " http_status_code, attributes, _loaded_at from sample_ops.otel_spans"
        " where span_id = (select min(span_id) from sample_ops.otel_spans)"
    ),
    "heartbeat arrived before it was committed": (
        "insert into sample_ops.cdc_heartbeats values"
        " ('h1', 'quotes', '2026-01-06 23:40:00+00', '2026-01-06 23:39:00+00')"
    ),
    "heartbeat of an unknown table": (
        "insert into sample_ops.cdc_heartbeats values"
        " ('h2', 'quote', '2026-01-06 23:40:00+00', '2026-01-06 23:40:01+00')"
    ),
    "interaction without page, value or instant": (
        "insert into sample_ops.rum_events (event_id, page, metric_name, occurred_at, _loaded_at)"
        " values ('e1', '/', 'INP', '2026-01-06 23:40:00+00', '2026-01-06 23:40:01+00')"
    ),
    "critical action without an instant": (
        "insert into sample_ops.audit_log (audit_id, is_critical, _loaded_at)"
        " values ('a1', true, '2026-01-06 23:40:01+00')"
    ),
}


def percentile(values: Iterable[Any], rank: Fraction) -> Fraction:
    """Interpolated between the two nearest ranks, exactly."""
    ordered = sorted(Fraction(value) for value in values)
    place = rank * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def five_minutes(moment: datetime) -> datetime:
    return EPOCH + FIVE * ((moment - EPOCH) // FIVE)


def table(built: Built, target: str, sql: str) -> Sequence[tuple[Any, ...]]:
    with built.open(target) as warehouse:
        return warehouse.query(sql)[1]


def latency(built: Built) -> dict[datetime, tuple[int, Fraction]]:
    windows: dict[datetime, list[int]] = defaultdict(list)
    for start, end in table(
        built,
        "duckdb",
        "select start_time_unix_nano, end_time_unix_nano from sample_ops.otel_spans"
        " where name = 'decision.core'",
    ):
        windows[five_minutes(EPOCH + timedelta(microseconds=end // 1000))].append(end - start)
    return {
        window: (len(found), percentile(found, Fraction(95, 100)) / 1_000_000)
        for window, found in windows.items()
    }


def test_decision_latency_is_what_the_spans_say(built: Built) -> None:
    expected = latency(built)
    rows = table(
        built,
        "duckdb",
        "select window_start, decisions, p95_ms from reliability.kpi_decision_latency order by 1",
    )
    assert len(rows) > 500
    starts = [row[0] for row in rows]
    assert all(later - earlier == FIVE for earlier, later in itertools.pairwise(starts))
    for start, decisions, p95_ms in rows:
        if start not in expected:
            assert (decisions, p95_ms) == (0, None)
            continue
        count, value = expected[start]
        assert decisions == count
        assert abs(Fraction(p95_ms) - value) < Fraction(1, 10**6)


def test_lag_is_arrival_minus_commit(built: Built) -> None:
    keys = {"markets": "market_id", "quotes": "quote_id"}
    for name, key in keys.items():
        seen: set[tuple[Any, ...]] = set()
        lags: dict[datetime, list[int]] = defaultdict(list)
        for row in table(
            built,
            "duckdb",
            f"select {key}, __source_lsn, __op, __source_ts_ms, _loaded_at"
            f" from sample_mbp.{name} order by _loaded_at",
        ):
            if row[2] == "r" or row[:2] in seen:
                continue
            seen.add(row[:2])
            arrived = (row[4] - EPOCH) // timedelta(microseconds=1)
            lags[five_minutes(row[4])].append(arrived - row[3] * 1000)
        for emitted, arrived in table(
            built,
            "duckdb",
            f"select emitted_at, _loaded_at from sample_ops.cdc_heartbeats where table_name = '{name}'",
        ):
            lags[five_minutes(arrived)].append((arrived - emitted) // timedelta(microseconds=1))
        rows = table(
            built,
            "duckdb",
            "select window_start, changes, p95_seconds from reliability.kpi_cdc_lag"
            f" where dataset = 'mbp_{name}'",
        )
        assert len(rows) > 500
        for start, changes, p95_seconds in rows:
            assert changes == len(lags[start])
            expected = percentile(lags[start], Fraction(95, 100)) / 1_000_000
            assert abs(Fraction(p95_seconds) - expected) < Fraction(1, 10**6)


def test_inp_is_the_third_quartile_of_24_hours(built: Built) -> None:
    events = table(
        built,
        "duckdb",
        "select page, occurred_at, value_ms from sample_ops.rum_events where metric_name = 'INP'",
    )
    rows = table(
        built,
        "duckdb",
        "select page, window_end, interactions, p75_ms from reliability.kpi_interaction",
    )
    assert {row[0] for row in rows} == {event[0] for event in events} | {"all"}
    for page, end, interactions, p75_ms in rows:
        values = [
            Fraction(value)
            for where, at, value in events
            if page in ("all", where) and end - timedelta(hours=24) <= at < end
        ]
        assert interactions == len(values)
        expected = percentile(values, Fraction(3, 4))
        assert abs(Fraction(p75_ms) - expected) < Fraction(1, 10**6)


def test_burn_is_bad_over_all_over_the_budget(duckdb_site: Site) -> None:
    """Three of the decisions of the last hours fail; the sums are done by hand."""
    site = duckdb_site
    site.execute(
        "update sample_ops.otel_spans set http_status_code = 503 where span_id in (select span_id"
        " from sample_ops.otel_spans where name = 'decision.core'"
        " and end_time_unix_nano < 1767743700000000000 order by end_time_unix_nano desc limit 3)"
    )
    site.run("run", "--full-refresh", "--select", "kpi_decision_latency+")
    rows = site.rows(
        "select window_end, decisions, bad_decisions, burn_4h, burn_1h, burn_confirmation, is_fast_page"
        " from reliability.kpi_service_level order by window_end"
    )
    sums = [(row[1], row[2]) for row in rows]
    for place in range(len(rows) - 60, len(rows)):
        for column, length in ((3, 48), (4, 12), (5, 4)):
            part = sums[max(0, place - length + 1) : place + 1]
            decisions = sum(int(str(one[0])) for one in part)
            bad = sum(int(str(one[1])) for one in part)
            found = rows[place][column]
            if not decisions:
                assert found is None
                continue
            expected = Fraction(bad, decisions) / (1 - Fraction(999, 1000))
            assert abs(Fraction(str(found)) - expected) < Fraction(1, 10**5)
    assert sum(int(str(one[1])) for one in sums) == 3
    assert rows[-1][6] is True
    verdict = site.rows(
        "select verdict from reliability.kpi_windows where kpi_id = 'error_budget_burn'"
        " order by window_end desc limit 1"
    )
    assert verdict == [("breach",)]


@pytest.mark.parametrize("name", [*MEASURED, "kpi_windows", "kpi_service_level"])
def test_both_engines_measure_the_same(built: Built, name: str) -> None:
    found = []
    for target in ("duckdb", "postgres"):
        rows = table(built, target, f"select * from reliability.{name}")
        found.append(sorted(rows, key=lambda row: tuple(str(cell) for cell in row)))
    assert found[0]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("site", "cut"),
    [
        ("duckdb", "2026-01-05 20:02:30"),
        ("duckdb", "2026-01-06 14:58:07"),
        ("postgres", "2026-01-06 14:58:07"),
    ],
    indirect=["site"],
)
def test_increments_equal_a_full_refresh(site: Site, cut: str) -> None:
    """Built at `cut`, then with the rest: late rows, a deleted quote and a record before its trace."""
    tables = [
        (f"sample_{family}", name)
        for family, names in (
            ("mbp", [table.partition(".")[2] for table in KEYS]),
            ("ops", ("otel_spans", "rum_events", "audit_log", "cdc_heartbeats")),
        )
        for name in names
    ]
    late = f"timestamptz '{cut}+00' + interval '2 hours'"
    site.execute(
        # Everything of one hour long ago arrives late, in the second part.
        f"update sample_ops.otel_spans set _loaded_at = {late} where end_time_unix_nano between"
        " 1767582000000000000 and 1767585600000000000",
        f"update sample_ops.rum_events set _loaded_at = {late} where occurred_at between"
        " '2026-01-05 02:00:00+00' and '2026-01-05 03:00:00+00'",
        f"update sample_ops.audit_log set _loaded_at = {late} where occurred_at between"
        " '2026-01-05 05:00:00+00' and '2026-01-05 06:00:00+00'",
        "create schema later",
        *(
            f"create table later.{name} as select * from {schema}.{name}"
            f" where _loaded_at > timestamptz '{cut}+00'"
            for schema, name in tables
        ),
        *(
            f"delete from {schema}.{name} where _loaded_at > timestamptz '{cut}+00'"
            for schema, name in tables
        ),
    )
    select = ("--select", "+models/marts/reliability")
    with environment({"MBP_NOW": cut}):
        site.run("run", "--full-refresh", *select)
    site.execute(
        *(f"insert into {schema}.{name} select * from later.{name}" for schema, name in tables)
    )
    site.execute(ALONE)
    with environment({"MBP_NOW": "2026-01-06 23:59:50"}):
        site.run("run", *select)
        grown = {name: rows_of(site, name) for name in MEASURED}
        site.run("run", "--full-refresh", *select)
    for name in MEASURED:
        assert grown[name], name
        assert grown[name] == rows_of(site, name), name


def rows_of(site: Site, name: str) -> list[tuple[object, ...]]:
    rows = site.rows(f"select * from reliability.{name}")
    return sorted(rows, key=lambda row: tuple(str(cell) for cell in row))


def test_bad_telemetry_is_reported_record_by_record(site: Site) -> None:
    compiled = (
        site.artifacts / "target/compiled/mbp/tests/dbt/telemetry/assert_telemetry_is_sound.sql"
    )
    sql = compiled.read_text().replace('"built".', "")
    assert site.rows(sql) == []
    for problem, statement in BAD.items():
        before = len(site.rows(sql))
        site.execute(statement)
        found = site.rows(sql)
        assert len(found) == before + 1, problem
        assert problem in {row[0] for row in found}
    before = table_of_windows(site)
    site.run("run", "--full-refresh", "--select", "kpi_decision_latency+", "kpi_interaction+")
    after = table_of_windows(site)
    # One of the bad records is a decision with two ends and one has no identifier; the others were none.
    changed = {key for key in after if after[key] != before.get(key)}
    assert len(changed) <= 3
    assert all(row[1] is None or row[1] >= 0 for row in after.values())


def table_of_windows(site: Site) -> dict[datetime, tuple[int, Decimal | None]]:
    rows = site.rows("select window_start, decisions, p95_ms from reliability.kpi_decision_latency")
    return {row[0]: (row[1], row[2]) for row in rows}  # type: ignore[misc]


def test_a_wrong_clock_is_not_a_short_lag(site: Site) -> None:
    """An arrival before its commit is neither clipped to zero nor averaged away: nothing was measured."""
    site.execute(
        "insert into sample_ops.cdc_heartbeats values"
        " ('h1', 'quotes', '2026-01-06 23:53:00+00', '2026-01-06 23:52:00+00')"
    )
    site.run("run", "--full-refresh", "--select", "kpi_cdc_lag+")
    rows = site.rows(
        "select entity, verdict, compared_value from reliability.kpi_windows where kpi_id = 'cdc_lag_p95'"
        " and window_end = '2026-01-06 23:55:00+00' and entity in ('all', 'mbp_quotes')"
    )
    assert sorted(rows) == [
        ("all", "insufficient data", Decimal(1)),
        ("mbp_quotes", "insufficient data", Decimal(1)),
    ]
    states = {state.hook_id: state for state in site.watch().outcome.states}
    assert states["cdc_delay"].colour == "unknown"
    assert states["cdc_delay"].counts_as_red


def test_a_table_without_heartbeats_is_not_ok(site: Site) -> None:
    site.execute(
        "delete from sample_ops.cdc_heartbeats where table_name = 'resolutions'"
        " and _loaded_at >= '2026-01-06 23:30:00+00'"
    )
    site.run("run", "--full-refresh", "--select", "kpi_cdc_lag+")
    rows = site.rows(
        "select entity, verdict from reliability.kpi_windows where kpi_id = 'cdc_lag_p95'"
        " and window_end = '2026-01-06 23:55:00+00'"
    )
    assert dict(rows) == {  # type: ignore[arg-type]
        **dict.fromkeys(LOGS, "ok"),
        "all": "insufficient data",
        "mbp_resolutions": "insufficient data",
    }


def test_rows_of_a_real_reader_are_measured(site: Site) -> None:
    """A reader needs milliseconds: clocks that differ as little as they may give lags below zero, and are measured.

    Heartbeats come every five seconds and count for their table alone; rows of a snapshot have no lag.
    """
    start = datetime(2026, 1, 6, 23, 50, tzinfo=UTC)
    beats = [
        f"('real-{number}', 'quotes', timestamptz '{arrived + timedelta(seconds=2)}', timestamptz '{arrived}')"
        for number in range(60)
        for arrived in [start + timedelta(seconds=5 * number)]
    ]
    late = int((start - timedelta(days=3)).timestamp() * 1000)
    before = lag_windows(site)["mbp_quotes"]
    site.execute(
        f"insert into sample_ops.cdc_heartbeats values {', '.join(beats)}",
        "insert into sample_mbp.quotes (quote_id, market_id, __op, __deleted, __source_ts_ms, __source_lsn,"
        f" _loaded_at) select 'real', 'm', 'r', 'false', {late}, max(__source_lsn) + 1,"
        " timestamptz '2026-01-06 23:52:00+00' from sample_mbp.quotes",
    )
    site.run("run", "--full-refresh", "--select", "kpi_cdc_lag+")
    after = lag_windows(site)
    assert after["mbp_quotes"][:2] == (before[0] + 60, 0)
    assert after["mbp_quotes"][2] < before[2]
    assert after["mbp_markets"][0] < 60
    (row,) = site.rows(
        "select verdict, value from reliability.kpi_windows where kpi_id = 'cdc_lag_p95'"
        " and window_end = '2026-01-06 23:55:00+00' and entity = 'mbp_quotes'"
    )
    assert row[0] == "ok"


def lag_windows(site: Site) -> dict[str, tuple[int, int, Decimal]]:
    """Dataset -> changes, skewed ones among them, and p95, of the window that begins at 23:50."""
    rows = site.rows(
        "select dataset, changes, skewed_changes, p95_seconds from reliability.kpi_cdc_lag"
        " where window_start = '2026-01-06 23:50:00+00'"
    )
    return {str(row[0]): row[1:] for row in rows}  # type: ignore[misc]
