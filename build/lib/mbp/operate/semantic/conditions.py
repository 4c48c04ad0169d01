"""From what a reader types to MetricFlow's names: dimensions, conditions in plain SQL, a span of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import demand_expression

METRIC_TIME = "metric_time"
GRAINS = ("minute", "hour", "day", "week", "month", "quarter", "year")
TEMPLATE_MARKS = ("{{", "{%", "{#")
DIALECT = "postgres"
# What a reader may type -> MetricFlow's name, and its template in a condition.
References = Mapping[str, tuple[str, str]]


def references(dimensions: Mapping[str, str]) -> References:
    """Every dimension and entity; a time also in each coarser grain, and `day` alone as `metric_time__day`."""
    results: dict[str, tuple[str, str]] = {}
    for name, kind in dimensions.items():
        if kind != "time":
            results[name] = name, f"{{{{ {kind.capitalize()}('{name}') }}}}"
            continue
        base, _, last = name.rpartition("__")
        base, finest = (base, GRAINS.index(last)) if last in GRAINS else (name, 0)
        results[base] = base, f"{{{{ TimeDimension('{base}') }}}}"
        for grain in GRAINS[finest:]:
            full = f"{base}__{grain}"
            results[full] = full, f"{{{{ TimeDimension('{base}', '{grain}') }}}}"
            if base == METRIC_TIME:
                results[grain] = results[full]
    return results


def known_name(word: str, known: Mapping[str, object] | Sequence[str], kind: str) -> str:
    """`word`, when it is one of `known`.

    Raises:
        MbpError: it is unknown; names the nearest one, or all.
    """
    if word not in known:
        fix = f"{did_you_mean(word, known)} (see `mbp metrics list`)"
        raise MbpError(f"there is no {kind} {word!r}", fix=fix)
    return word


def conditions(
    where: Sequence[str], start: str | None, end: str | None, known: References
) -> list[str]:
    """Conditions as MetricFlow's templates. `start` counts, `end` does not.

    Raises:
        MbpError: a condition is no expression over the dimensions, or an instant does not parse.
    """
    results = [_condition(text, known) for text in where]
    finest = next((name for name in GRAINS if name in known), METRIC_TIME)
    for option, sign, text in (("--from", ">=", start), ("--to", "<", end)):
        if text is not None:
            results.append(f"{known[finest][1]} {sign} timestamp '{_instant(text, option)}'")
    return results


def _condition(text: str, known: References) -> str:
    fix = "write a condition over the dimensions: \"market__category = 'sports'\""
    if any(mark in text for mark in TEMPLATE_MARKS):
        raise MbpError(f"refused: a template in --where {text!r}", fix=fix)
    demand_expression(text, fix=fix)
    whole = exp.Paren(this=sqlglot.parse_one(text, read=DIALECT))
    for column in list(whole.find_all(exp.Column)):
        name = known_name(".".join(part.name for part in column.parts), known, "dimension")
        column.replace(exp.Var(this=known[name][1]))
    return whole.sql(dialect=DIALECT)


def _instant(text: str, option: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"{option}: {text!r} is not an instant",
            fix="write a day like 2026-01-05, or an instant like 2026-01-05T12:00 (UTC)",
        ) from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ")
