"""The SQL (of DuckDB) that makes the value of one of our columns from the texts of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from mbp.contracts import Column
from mbp.core.errors import MbpError
from mbp.ingest.loading.mapping import MappedValue, TableMapping, placeholder_of
from mbp.warehouse import quote_identifier

# The engines also read words (infinity, epoch), dates before our era and offsets of days. An offset needs
# the seconds before it: DuckDB reads no other spelling.
INSTANT_SHAPE = (
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)?)?)?"
)
LOCAL_SHAPE = r"[^Z+]{10}([^Z+-]*)"
# Of a fraction of a second six digits are kept; a shorter text than this has no more.
MICROSECOND_DIGITS, BEYOND_MICROSECONDS = 16, r"\.\d{6}\d*[1-9]"
# In UTC. PostgreSQL and Python know no instant outside of these years as four digits.
FIRST_INSTANT = "timestamptz '0001-01-01 00:00:00+00'"
LAST_INSTANT = "timestamptz '9999-12-31 23:59:59.999999+00'"
MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
FIRST_YEAR, LAST_YEAR = 1970, 2037  # in which the clocks of a zone are known to change by rule
NUMBERS = ("number", "integer")
EXPECTED = {
    "number": "a number within its range",
    "integer": "a whole number within its range",
    "boolean": "true or false",
    "date": "an ISO 8601 date such as 2026-01-05",
    "timestamp": "an ISO 8601 instant such as 2026-01-05T09:00:00Z",
}
# How a text of theirs is read from the source: the name of a column, or a path into it.
Reader = Callable[[str], str]


def literal(value: object) -> str:
    """A value as an SQL text, or null."""
    if isinstance(value, bool):
        value = str(value).lower()
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


@dataclass(frozen=True)
class ColumnValue:
    """One column of ours.

    Attributes:
        text: expression over the source, which is at hand as the column `text_of` afterwards.
        given: expression over `text_of`: the text with its gap filled.
        typed: expression that is null where the given text is not of the type.
        expected: what the text must be, for the reason of a reject; None where any text will do.
        wrong: expression -> reason, beside a text that is not of the type.
        rounded: condition under which a decimal or the fraction of a second lost places.
        filled: condition under which a gap was filled.
        placeholder: of a fact that the source does not have; nothing is judged by it.
        filling: expression over the source of what fills a gap, at hand as `filling_of`; None where all get one value.
    """

    column: Column
    text: str
    given: str
    typed: str
    expected: str | None = None
    wrong: tuple[tuple[str, str], ...] = ()
    rounded: str | None = None
    filled: str | None = None
    filling: str | None = None
    placeholder: bool = False


def text_of(column: Column) -> str:
    """The name under which the text of a column is at hand while it is judged."""
    return quote_identifier(f"text of {column.name}")


def filling_of(column: Column) -> str:
    """The name under which what fills a gap of a column is at hand."""
    return quote_identifier(f"filling of {column.name}")


def chosen(values: Mapping[str, Sequence[Any]], read: Reader) -> str:
    """The condition that each of some columns of theirs has one of its values."""
    conditions = []
    for theirs, allowed in values.items():
        text = read(theirs)
        plain = [value for value in allowed if value is not None]
        if any(isinstance(value, bool) for value in plain):  # however it is written
            text = f"lower({text})"
        known = ", ".join(literal(value) for value in plain)
        parts = [f"{text} in ({known})"] if known else []
        parts += [f"{text} is null"] if None in allowed else []
        conditions.append(f"({' or '.join(parts)})")
    return f"coalesce({' and '.join(conditions)}, false)"


def column_value(column: Column, mapping: TableMapping, zone: str, read: Reader) -> ColumnValue:
    """The value of a column.

    Args:
        zone: of instants without a zone.
        read: the text of a column of theirs.

    Raises:
        MbpError: the mapping makes another type than the column has.
    """
    name = column.name
    value = mapping.values.get(name) or MappedValue(())
    if value.columns:
        text = _text(value, column, mapping, read)
    elif name in mapping.constants:
        text = literal(mapping.constants[name])
    else:
        theirs, default, _ = mapping.absent[name]
        text = read(theirs) if theirs else literal(default)
        if theirs and name != mapping.changed_at and mapping.changed_at in mapping.values:
            # A placeholder column is read as it is read elsewhere.
            value = _stand_in(theirs, mapping)
        if theirs and name != mapping.changed_at:
            return _placeholder(column, text, value, zone, mapping)
    filling = filled = None
    at, kind = text_of(column), column.logical_type
    if name in mapping.when_null:
        gap = mapping.when_null[name]
        fill = read(gap.column) if gap.column else literal(gap.value)
        if gap.where:
            fill = f"case when {chosen(gap.where, read)} then {fill} end"
        if gap.column or gap.where:
            filling, fill = fill, filling_of(column)
        filled = f"{at} is null and {fill} is not null"
        at = f"coalesce({at}, {fill})"
    typed, expected, rounded = at, EXPECTED.get(kind), None
    wrong: tuple[tuple[str, str], ...] = ()
    if kind not in NUMBERS and changes(value):
        raise _wrong_type(column, mapping, "scale, offset, one_minus and absolute", "a number")
    if kind not in (*NUMBERS, "timestamp") and (value.epoch or value.format):
        raise _wrong_type(column, mapping, "epoch and format", "an instant")
    if kind in NUMBERS:
        typed, rounded = _number(at, column, value)
    elif kind == "timestamp":
        typed, wrong = _instant(at, value, zone, mapping.ambiguous_times)
        expected = f"{value.epoch} since 1970" if value.epoch else expected
        expected = f"an instant of the form {value.format}" if value.format else expected
        rounded = (
            f"length({at}) > {MICROSECOND_DIGITS} and regexp_matches({at}, '{BEYOND_MICROSECONDS}')"
        )
    elif kind in ("boolean", "date"):
        typed = f"try_cast({at} as {kind})"
    if name not in mapping.values:  # the places of a constant or a placeholder do not matter
        rounded = None
    return ColumnValue(column, text, at, typed, expected, wrong, rounded, filled, filling)


def changes(value: MappedValue) -> bool:
    """Whether a number is calculated from theirs."""
    return value.scale is not None or value.offset is not None or value.one_minus or value.absolute


def _placeholder(
    column: Column, text: str, value: MappedValue, zone: str, mapping: TableMapping
) -> ColumnValue:
    """A column of theirs in place of an absent fact; what it cannot give is no reason against a row."""
    at = typed = text_of(column)
    if column.logical_type in NUMBERS:
        typed, _ = _number(at, column, value)
    elif column.logical_type == "timestamp":
        typed, _ = _instant(at, value, zone, mapping.ambiguous_times)
    elif column.logical_type != "string":
        typed = f"try_cast({at} as {column.logical_type})"
    default = literal(placeholder_of(column))
    kind = "varchar" if column.logical_type == "string" else column.physical_type
    typed = f"coalesce({typed}, cast({default} as {kind}))"
    return ColumnValue(column, text, at, typed, placeholder=True)


def _stand_in(theirs: str, mapping: TableMapping) -> MappedValue:
    for value in mapping.values.values():
        if value.columns == (theirs,):
            return value
    return MappedValue((theirs,))


def _wrong_type(column: Column, mapping: TableMapping, keys: str, needed: str) -> MbpError:
    return MbpError(
        f"{mapping.table}.{column.name} is no {needed.rsplit(maxsplit=1)[-1]}: {keys} make {needed}",
        line=mapping.lines.get(column.name),
        fix="take them out",
    )


def _text(value: MappedValue, column: Column, mapping: TableMapping, read: Reader) -> str:
    texts = [read(name) for name in value.columns]
    if value.joiner is not None:
        # One part that is null makes the whole null, as for a key.
        text = f" || {literal(value.joiner)} || ".join(texts)
    else:
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
    if value.values:
        pairs = " ".join(
            f"when {literal(theirs)} then {literal(ours)}" for theirs, ours in value.values.items()
        )
        text = f"case {text} {pairs} else {text} end"
    if column.logical_type in NUMBERS or value.by_sign:
        text = _plain_number(text, mapping.reading)
    if value.by_sign:
        # Zero, and what is no number, stays as it is: the rule of the column finds it.
        number = f"try_cast({text} as double)"
        below, above = (literal(name) for name in value.by_sign)
        text = f"case when {number} < 0 then {below} when {number} > 0 then {above} else {text} end"
    return text


def _plain_number(text: str, reading: Mapping[str, Any]) -> str:
    """A number in the notation of the mapping with a point and without groups; another notation is no number."""
    if "decimal" not in reading and "thousands" not in reading:
        return text
    decimal = reading.get("decimal", ".")
    group = reading.get("thousands", "." if decimal == "," else "")
    groups = "[ \u00a0\u202f]" if group == " " else f"[{group}]"
    whole = rf"\d{{1,3}}({groups}\d{{3}})+|\d+" if group else r"\d+"
    shape = rf"\s*[+-]?({whole})([{decimal}]\d+)?([eE][+-]?\d+)?\s*"
    plain = f"regexp_replace({text}, {literal(groups)}, '', 'g')" if group else text
    wrong = literal(f" (decimal {decimal!r}, thousands {group!r})")
    return (
        f"case when regexp_full_match({text}, {literal(shape)})"
        f" then replace({plain}, {literal(decimal)}, '.') else {text} || {wrong} end"
    )


def _number(at: str, column: Column, value: MappedValue) -> tuple[str, str | None]:
    kind = column.physical_type
    if column.logical_type == "integer" and value == MappedValue(value.columns):
        return (
            f"case when regexp_full_match({at}, '[+-]?\\d+') then try_cast({at} as {kind}) end",
            None,
        )
    places = int(kind.rstrip(") ").rpartition(",")[2]) if "," in kind else 0
    if not changes(value):
        # The wide decimal takes five times as long, and few values need it.
        exact = f"try_cast({at} as decimal(38, 18))"
        short = f"regexp_full_match({at}, '[+-]?\\d+(\\.\\d{{0,{places}}})?')"
        wide = f"try_cast(round_even({exact}, {places}) as {kind})"
        typed = f"case when {short} then try_cast({at} as {kind}) else {wide} end"
        return typed, f"not {short} and {exact} <> {wide}"
    factor = format(value.scale or 1, "f")
    digits = len(factor.replace(".", "").lstrip("-0") or "0")
    after = len(factor.partition(".")[2])
    digits = max(digits, after, 1)
    # A product has the places of both; 18 of them, and 38 digits in all, are kept.
    exact = f"try_cast({at} as decimal({38 - digits}, {min(10, 18 - after)}))"
    if value.absolute:
        exact = f"abs({exact})"
    if value.scale is not None:
        exact = f"{exact} * cast({literal(factor)} as decimal({digits}, {after}))"
    exact = f"try_cast({exact} as decimal(38, 18))"
    if value.offset is not None:
        exact = f"({exact} + cast({literal(value.offset)} as decimal(38, 18)))"
    if value.one_minus:
        exact = f"(1 - {exact})"
    wide = f"try_cast(round_even({exact}, {places}) as {kind})"
    return wide, f"{exact} <> {wide}"


def _instant(
    at: str, value: MappedValue, zone: str, ambiguous: str
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The instant, and what is wrong with a local time of the zone."""
    wrong: tuple[tuple[str, str], ...] = ()
    if value.epoch:
        # Of a double no more than microseconds are exact; the decimal keeps them.
        micros = f"try_cast({at} as decimal(28, 6)) * {MICROSECONDS[value.epoch]}"
        typed = f"make_timestamptz(try_cast({micros} as bigint))"
    else:
        local = f"try_cast({at} as timestamp)"
        is_local = f"regexp_full_match({at}, '{LOCAL_SHAPE}')"
        if value.format:
            local = f"try_strptime({at}, {literal(value.format)})"
            is_local = "true"
        typed, wrong = _local_instant(local, is_local, zone, ambiguous)
        if not value.format:
            typed = (
                f"case when regexp_full_match({at}, '{INSTANT_SHAPE}') then"
                f" case when {is_local} then {typed} else try_cast({at} as timestamptz) end end"
            )
    return f"case when {typed} between {FIRST_INSTANT} and {LAST_INSTANT} then {typed} end", wrong


def _local_instant(
    local: str, is_local: str, zone: str, ambiguous: str
) -> tuple[str, tuple[tuple[str, str], ...]]:
    if zone.upper() in ("UTC", "ETC/UTC"):
        # Without the tables of time zones, which are slow.
        return f"make_timestamptz(epoch_us({local}))", ()
    plain = f"timezone({literal(zone)}, {local})"
    changes = clock_changes(zone)
    if not changes:
        return plain, ()
    days = ", ".join(
        sorted({f"date '{day:%Y-%m-%d}'" for start, end, _ in changes for day in (start, end)})
    )
    near = f"{is_local} and cast({local} as date) in ({days})"

    def within(kind: str) -> str:
        spans = " or ".join(
            f"({local} >= timestamp '{start}' and {local} < timestamp '{end}')"
            for start, end, which in changes
            if which == kind
        )
        return f"({near} and ({spans or 'false'}))"

    if ambiguous == "reject":
        return plain, (
            (within("gap"), "no clock of the time zone showed"),
            (within("overlap"), "the clocks of the time zone showed twice"),
        )
    # Read with the offset before or after the change: of an overlap the earlier or the later instant.
    cases = "".join(
        f" when {local} >= timestamp '{start}' and {local} < timestamp '{end}'"
        f" then make_timestamptz(epoch_us({local}) - {offset})"
        for start, end, offset in _offsets(zone, earlier=ambiguous == "earlier")
    )
    return f"case when {near} then case{cases} else {plain} end else {plain} end", ()


@cache
def clock_changes(zone: str) -> tuple[tuple[datetime, datetime, str], ...]:
    """Local times that the clocks of a zone skip (`gap`) or show twice (`overlap`): from, to, which.

    Raises:
        ZoneInfoNotFoundError: no such zone.
    """
    return tuple(
        (start, end, "gap" if after > before else "overlap")
        for start, end, before, after in _transitions(zone)
    )


def _offsets(zone: str, *, earlier: bool) -> Iterator[tuple[datetime, datetime, int]]:
    """Of each change of the clocks: from, to, and the offset to read with, in microseconds.

    In an overlap the larger offset gives the earlier instant; in a gap as well.
    """
    for start, end, before, after in _transitions(zone):
        offset = max(before, after) if earlier else min(before, after)
        yield start, end, int(offset.total_seconds()) * 1_000_000


@cache
def _transitions(zone: str) -> tuple[tuple[datetime, datetime, timedelta, timedelta], ...]:
    place = ZoneInfo(zone)

    def offset_at(moment: datetime) -> timedelta:
        return moment.astimezone(place).utcoffset() or timedelta()

    results = []
    day = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    while day.year <= LAST_YEAR:
        low, high = day, day + timedelta(days=1)
        before, after = offset_at(low), offset_at(high)
        if before != after:
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset_at(middle) == before else (low, middle)
            moment = high.replace(microsecond=0, tzinfo=None)
            first, last = sorted((moment + before, moment + after))
            results.append((first, last, before, after))
        day += timedelta(days=1)
    return tuple(results)
