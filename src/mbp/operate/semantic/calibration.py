"""Forecasts against outcomes: the bins of a reliability diagram, and the diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mbp.core.templates import templates
from mbp.warehouse import Warehouse
from mbp.warehouse.relations import exists, query

RELATION = "semantic.sem_calibration"
HORIZON = "horizon_hours"
BINS = 10


@dataclass(frozen=True)
class Bin:
    """Forecasts of one horizon in one tenth of the scale, against what came true.

    Attributes:
        forecast: mean of them.
        outcome: share of them that ended in YES.
    """

    horizon_hours: int
    forecast: float
    outcome: float
    forecasts: int


def calibration(warehouse: Warehouse) -> Sequence[Bin]:
    """By horizon and forecast; empty where the warehouse has none."""
    if not exists(warehouse, *RELATION.split(".")):
        return ()
    _, rows = query(
        warehouse,
        f"select {HORIZON}, avg(price), avg(cast(outcome as double precision)), count(*)"
        f" from {RELATION} where price is not null"
        f" group by {HORIZON}, least(floor(price * {BINS}), {BINS - 1}) order by 1, 2",
        RELATION,
    )
    return [Bin(int(row[0]), float(row[1]), float(row[2]), int(row[3])) for row in rows]


def horizons(bins: Sequence[Bin]) -> Mapping[int, int]:
    """Hours before the end -> how many forecasts."""
    totals: dict[int, int] = {}
    for one in bins:
        totals[one.horizon_hours] = totals.get(one.horizon_hours, 0) + one.forecasts
    return totals


def reliability_diagram(bins: Sequence[Bin]) -> str:
    """The diagram as SVG: a point per bin, larger where it has more forecasts."""
    return (
        templates("mbp.operate.semantic")
        .get_template("reliability.svg.j2")
        .render(bins=bins, horizons=horizons(bins), most=max(each.forecasts for each in bins))
    )
