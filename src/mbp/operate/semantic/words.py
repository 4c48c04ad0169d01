"""From what a reader types to MetricFlow's names: metrics, dimensions, conditions, a span of time."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

from mbp.core.errors import MbpError
from mbp.core.sql_guard import demand_expression
from mbp.operate.semantic.metricflow import GRAINS, METRIC_TIME, grain_of

TEMPLATE_MARKS = ("{{", "{%", "{#")
DIALECT = "postgres"


def known_name(word: str, known: Iterable[str], kind: str, listing: str) -> str:
    """`word`, when it is one of `known`.

    Raises:
        MbpError: it is unknown; names the nearest one and lists what exists.
    """
    names = sorted(set(known))
    if word in names:
        return word
    near = difflib.get_close_matches(word, names, n=1)
    fix = f"did you mean {near[0]!r}? " if near else ""
    raise MbpError(
        f"there is no {kind} {word!r}", fix=f"{fix}There are {', '.join(names)} ({listing})"
    )


def dimension_name(word: str, dimensions: Mapping[str, str]) -> str:
    """A dimension in MetricFlow's words: `day` is `metric_time__day`, and a time may name its grain.

    Raises:
        MbpError: the metrics cannot be grouped by it.
    """
    name = f"{METRIC_TIME}__{word}" if word in GRAINS else word
    grain = grain_of(name)
    if name in dimensions:
        return name
    too_fine = grain and _time_base(name) == METRIC_TIME and not _not_finer(grain, dimensions)
    if _time_base(name) in _time_bases(dimensions) and not too_fine:
        return name
    shown = [*dimensions, *(grain for grain in GRAINS if _not_finer(grain, dimensions))]
    return known_name(word, shown, "dimension", "a word of time alone is that of the metric")


def conditions(
    where: Sequence[str],
    start: str | None,
    end: str | None,
    dimensions: Mapping[str, str],
) -> tuple[str, ...]:
    """Conditions as MetricFlow's templates. `start` counts, `end` does not.

    Raises:
        MbpError: a condition is no expression over the dimensions, or an instant does not parse.
    """
    results = [_condition(text, dimensions) for text in where]
    finest = next((name for name in dimensions if _time_base(name) == METRIC_TIME), METRIC_TIME)
    for option, sign, text in (("--from", ">=", start), ("--to", "<", end)):
        if text is not None:
            results.append(
                f"{_template(finest, dimensions)} {sign} timestamp '{_instant(text, option)}'"
            )
    return tuple(results)


def _condition(text: str, dimensions: Mapping[str, str]) -> str:
    if any(mark in text for mark in TEMPLATE_MARKS):
        raise MbpError(
            f"refused: a template in --where {text!r}",
            fix="name the dimensions as they are listed: \"market__category = 'sports'\"",
        )
    demand_expression(
        text, fix="write a condition over the dimensions: \"market__category = 'sports'\""
    )
    tree = sqlglot.parse_one(text, read=DIALECT)
    whole = exp.Paren(this=tree)
    for column in list(whole.find_all(exp.Column)):
        name = dimension_name(".".join(part.name for part in column.parts), dimensions)
        column.replace(exp.Var(this=_template(name, dimensions)))
    return whole.sql(dialect=DIALECT)


def _template(name: str, dimensions: Mapping[str, str]) -> str:
    if _time_base(name) in _time_bases(dimensions):
        grain = grain_of(name)
        inside = f"'{_time_base(name)}', '{grain}'" if grain else f"'{name}'"
        return f"{{{{ TimeDimension({inside}) }}}}"
    kind = "Entity" if dimensions.get(name) == "entity" else "Dimension"
    return f"{{{{ {kind}('{name}') }}}}"


def _time_base(name: str) -> str:
    return name.rpartition("__")[0] if grain_of(name) else name


def _time_bases(dimensions: Mapping[str, str]) -> set[str]:
    return {_time_base(name) for name, kind in dimensions.items() if kind == "time"}


def _not_finer(grain: str, dimensions: Mapping[str, str]) -> bool:
    finest = [grain_of(name) for name in dimensions if _time_base(name) == METRIC_TIME]
    return any(one in GRAINS and GRAINS.index(grain) >= GRAINS.index(one) for one in finest if one)


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
