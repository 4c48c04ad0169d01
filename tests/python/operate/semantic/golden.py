"""What each metric must come to on the sample, computed from public tables and telemetry, without MetricFlow."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import Any

from mbp.operate.semantic.query import Question
from mbp.warehouse import Warehouse

HOUR = timedelta(hours=1)
Rows = Sequence[tuple[Any, ...]]
Expected = Mapping[tuple[Any, ...], Fraction | float]


@dataclass(frozen=True)
class Golden:
    """A question about one metric, and what answers it independently."""

    question: Question
    computed: Callable[[Warehouse], Expected]


def clock(moment: datetime) -> datetime:
    """An instant as its clock in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def day(moment: datetime) -> datetime:
    return clock(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def hour(moment: datetime) -> datetime:
    return clock(moment).replace(minute=0, second=0, microsecond=0)


def percentile(values: Iterable[Any], rank: Fraction) -> Fraction:
    """Interpolated between the nearest two, as percentile_cont is defined."""
    found = sorted(Fraction(value) for value in values)
    place = rank * (len(found) - 1)
    low = found[int(place)]
    high = found[min(int(place) + 1, len(found) - 1)]
    return low + (high - low) * (place - int(place))


def grouped(pairs: Iterable[tuple[Any, Any]], how: Callable[[list[Any]], Any]) -> dict[Any, Any]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: how(values) for key, values in groups.items()}


def quotes(warehouse: Warehouse) -> Rows:
    """market, instant, price, volume, depth; the order in which prices came into force."""
    return warehouse.query(
        "select quotes.market_id, quotes.quoted_at, quotes.price, quotes.volume, quotes.depth_2pct"
        " from intermediate.int_mbp__quotes_latest as quotes where not quotes.is_deleted"
        " order by quotes.quoted_at, quotes.log_position, quotes.quote_id"
    )[1]


def traded_volume(warehouse: Warehouse) -> Expected:
    pairs = [((day(at), market), volume) for market, at, _, volume, _ in quotes(warehouse)]
    return grouped(pairs, lambda found: sum(map(Fraction, found)))


def trade_size(warehouse: Warehouse) -> Expected:
    _, rows = warehouse.query("select traded_at, market_id, shares from marts.mbp_trades")
    pairs = [((day(at), market), Fraction(shares)) for at, market, shares in rows]
    return grouped(pairs, lambda found: sum(found) / len(found))


def active_markets(warehouse: Warehouse) -> Expected:
    traded = {(day(at), market) for market, at, _, volume, _ in quotes(warehouse) if volume > 0}
    return grouped((((at,), market) for at, market in traded), len)


class Prices:
    """The price of a market at an instant."""

    def __init__(self, found: Rows) -> None:
        self.steps = grouped(
            ((market, (clock(at), price)) for market, at, price, *_ in found), list
        )

    def at(self, market: str, until: datetime, *, including: bool) -> Any:
        steps = self.steps.get(market, [])
        find = bisect_right if including else bisect_left
        place = find(steps, until, key=lambda step: step[0])
        return steps[place - 1][1] if place else None


def price(warehouse: Warehouse) -> Expected:
    """At the end of every day of a market: of its last complete hour, while it was there."""
    prices = Prices(quotes(warehouse))
    _, [[last]] = warehouse.query("select max(window_start) from reliability.kpi_market_events")
    ends: dict[tuple[Any, ...], Fraction] = {}
    _, markets = warehouse.query(
        "select market_id, opened_at, coalesce(closed_at, updated_at), status in"
        " ('closed', 'resolved', 'canceled') from marts.mbp_markets"
    )
    _, flags = warehouse.query(
        "select market_id, max(detected_at) from marts.mbp_abuse_events group by market_id"
    )
    flagged = dict(flags)
    for market, opened_at, ended_at, has_ended in markets:
        end = hour(last)
        if has_ended:
            final = max(filter(None, [ended_at, flagged.get(market)]))
            end = min(end, hour(final))
        at = hour(opened_at)
        while at <= end:
            value = prices.at(market, at + HOUR, including=False)
            if value is not None:
                ends[(at.replace(hour=0), market)] = Fraction(value)
            at += HOUR
    return ends


def depth(warehouse: Warehouse) -> Expected:
    pairs = [((day(at), market), Fraction(depth)) for market, at, _, _, depth in quotes(warehouse)]
    return grouped(pairs, median)


def resolution_time(warehouse: Warehouse) -> Expected:
    _, rows = warehouse.query(
        "select markets.category, resolutions.decided_at, resolutions.started_at"
        " from marts.mbp_resolutions as resolutions"
        " inner join marts.mbp_markets as markets on resolutions.market_id = markets.market_id"
    )
    hours = [((category,), Fraction((end - start) / HOUR)) for category, end, start in rows]
    return grouped(hours, lambda found: sum(found) / len(found))


def abuse_rate(warehouse: Warehouse) -> Expected:
    """Every hour with a market is complete on the sample, so its days have as many hours as are told here."""
    _, events = warehouse.query("select detected_at from marts.mbp_abuse_events")
    _, [[first]] = warehouse.query("select min(opened_at) from marts.mbp_markets")
    _, [[last]] = warehouse.query("select max(window_start) from reliability.kpi_market_events")
    hours: dict[datetime, int] = defaultdict(int)
    at = hour(first)
    while at <= hour(last):
        hours[at.replace(hour=0)] += 1
        at += HOUR
    counted = grouped(((day(at), 1) for (at,) in events if hour(at) <= hour(last)), len)
    return {(at,): Fraction(counted.get(at, 0), number) for at, number in hours.items()}


def market_state(warehouse: Warehouse) -> Expected:
    _, rows = warehouse.query("select status from marts.mbp_markets")
    return grouped(((tuple(row), 1) for row in rows), len)


def brier_score(warehouse: Warehouse) -> Expected:
    prices = Prices(quotes(warehouse))
    _, horizons = warehouse.query("select horizon_hours from reference.calibration_horizons")
    _, resolved = warehouse.query(
        "select markets.market_id, markets.closed_at, resolutions.decided_value"
        " from marts.mbp_resolutions as resolutions"
        " inner join marts.mbp_markets as markets on resolutions.market_id = markets.market_id"
        " where resolutions.decided_value in ('YES', 'NO')"
    )
    errors = []
    for (hours,) in horizons:
        for market, closed_at, decided in resolved:
            at = clock(closed_at) - hours * HOUR
            value = prices.at(market, at, including=True)
            if value is not None:
                errors.append(((hours,), (Fraction(value) - (decided == "YES")) ** 2))
    return grouped(errors, lambda values: sum(values) / len(values))


def decision_p95(warehouse: Warehouse) -> Expected:
    """Of whole days, over the spans themselves."""
    _, rows = warehouse.query(
        "select span_id, ended_at, duration_nanoseconds from staging.stg_ops__otel_spans"
        " where span_name = 'decision.core'"
    )
    worst = grouped((((span, day(end)), nanoseconds) for span, end, nanoseconds in rows), max)
    return grouped(
        (((at,), nanoseconds) for (_, at), nanoseconds in worst.items()),
        lambda found: percentile(found, Fraction(95, 100)) / 1_000_000,
    )


def interaction_p75(warehouse: Warehouse) -> Expected:
    _, rows = warehouse.query(
        "select event_id, page, occurred_at, value_ms from staging.stg_ops__rum_events"
        " where metric_name = 'INP'"
    )
    worst = grouped((((event, page, day(at)), value) for event, page, at, value in rows), max)
    return grouped(
        (((at, page), value) for (_, page, at), value in worst.items()),
        lambda found: percentile(found, Fraction(3, 4)),
    )


def worst_window(
    kpi_id: str, worst: Callable[[Iterable[Any]], Any]
) -> Callable[[Warehouse], Expected]:
    def computed(warehouse: Warehouse) -> Expected:
        _, rows = warehouse.query(
            "select kpi_id, entity, window_end, value from reliability.kpi_windows"
        )
        pairs = [
            ((day(end), entity), Fraction(value))
            for kpi, entity, end, value in rows
            if kpi == kpi_id and value is not None
        ]
        return grouped(pairs, worst)

    return computed


HIGHEST = (
    *("cdc_lag_p95", "schema_drift", "data_contract_break", "dbt_tests", "error_budget_burn"),
    *("twap_divergence", "decision_gap", "resolution_time", "abuse_flags"),
)
LOWEST = ("hook_coverage", "audit_coverage", "depth_2pct", "active_markets")
# Measured by `mbp kpi collect`, not by a build: the test puts a row there for them.
PER_RUN = ("schema_drift", "data_contract_break", "dbt_tests", "hook_coverage")

GOLDEN: dict[str, Golden] = {
    "traded_volume": Golden(Question(("traded_volume",), by=("day", "market")), traded_volume),
    "trade_size": Golden(Question(("trade_size",), by=("day", "market")), trade_size),
    "active_markets": Golden(Question(("active_markets",), by=("day",)), active_markets),
    "price": Golden(Question(("price",), by=("day", "market")), price),
    "depth": Golden(Question(("depth",), by=("day", "market")), depth),
    "resolution_time": Golden(
        Question(("resolution_time",), by=("market__category",)), resolution_time
    ),
    "abuse_rate": Golden(Question(("abuse_rate",), by=("day",)), abuse_rate),
    "market_state": Golden(Question(("market_state",), by=("market__status",)), market_state),
    "brier_score": Golden(Question(("brier_score",), by=("forecast__horizon_hours",)), brier_score),
    "kpi_dec_p95": Golden(Question(("kpi_dec_p95",), by=("day",)), decision_p95),
    "kpi_inp_p75": Golden(
        Question(("kpi_inp_p75",), by=("day", "interaction__page")), interaction_p75
    ),
    **{
        f"kpi_{kpi_id}": Golden(
            Question((f"kpi_{kpi_id}",), by=("day", "kpi_window__entity")),
            worst_window(kpi_id, worst),
        )
        for names, worst in ((HIGHEST, max), (LOWEST, min))
        for kpi_id in names
    },
}
