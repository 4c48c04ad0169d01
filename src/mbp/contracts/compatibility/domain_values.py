"""Values that a contract writes, in the domain of their column: bounds, closed lists, dates in their format.

Days count a date, seconds a time or a timestamp. What cannot be read in the domain is kept as it is
written and decides nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from mbp.contracts.compatibility.change_model import Kind, Unreadable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = Decimal(1_000_000)
LONGEST_NUMBER = 400
MOST_DIGITS = 150
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
# Letters of ODCS formats (as Java writes them) -> strptime. Longer ones first.
_LETTERS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "SSSSSS": "%f",
    "SSS": "%f",
    "a": "%p",
    "XXX": "%z",
    "XX": "%z",
    "X": "%z",
    "Z": "%z",
}
_FRACTION = re.compile(r":\d\d[.,]\d{6}(\d+)", re.ASCII)
_FORMAT = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")


class UnreadableValueError(ValueError):
    """The text is no value of the domain."""


def is_countable(value: Decimal) -> bool:
    """Finite, and not beyond the digits that are computed with."""
    return value.is_finite() and abs(value.adjusted()) < MOST_DIGITS


def domain_of(kind: Kind, logical: Kind) -> Kind:
    """The kind whose values the limits of a column are about."""
    if (logical.name, kind.name) == ("date", "timestamp"):
        return kind  # ODCS 3.0 has no other logical type for it
    if logical.temporal and (kind.temporal or kind.name in ("nominal", "unclear", "unstated")):
        return logical
    if kind.numeric or kind.temporal or kind.name in ("string", "boolean"):
        return kind
    return logical if logical.name in ("integer", "decimal", "string", "boolean") else kind


def number(value: Any, kind: Kind, form: str | None = None) -> Decimal:
    """A bound as a number: itself, days (date), or seconds (time, timestamp).

    Args:
        form: how the column writes its dates, like `dd/MM/yyyy`; ISO 8601 without it.

    Raises:
        UnreadableValueError: it has another type.
    """
    if kind.temporal:
        return _moment(str(value), kind, form)
    if isinstance(value, bool):
        raise UnreadableValueError("true and false are no numbers")
    try:
        decimal = Decimal(str(value))
    except InvalidOperation as error:
        raise UnreadableValueError(f"not a number: {value!r}") from error
    if not decimal.is_finite():
        raise UnreadableValueError(f"expected a finite number, found {value!r}")
    if abs(decimal.adjusted()) > LONGEST_NUMBER:
        raise UnreadableValueError(f"a number of more than {LONGEST_NUMBER} digits")
    return decimal


def value_in(value: Any, kind: Kind, form: str | None = None) -> Any:
    """One value of a closed list in the domain; `Unreadable` when it is not of it."""
    if value is None:
        return None
    try:
        if kind.temporal:
            return number(value, kind, form)
        if kind.numeric:
            return _listed_number(value)
    except UnreadableValueError:
        return Unreadable(_text(value))
    if kind.name == "boolean":
        quoted = {"true": True, "false": False}.get(str(value).lower())
        return Unreadable(_text(value)) if quoted is None else quoted
    if kind.name == "string":
        return value if isinstance(value, str) else Unreadable(_text(value))
    if isinstance(value, dict | list):
        return Unreadable(_text(value))
    return Decimal(str(value)) if isinstance(value, float) else value


def _text(value: Any) -> str:
    """Distinguished from a text with the same spelling."""
    return f"{type(value).__name__} {value}"


def _listed_number(value: Any) -> int | Decimal:
    if isinstance(value, bool | dict | list):
        raise UnreadableValueError("not a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str) and (
        len(value) > LONGEST_NUMBER or not _NUMBER.fullmatch(value.strip())
    ):
        raise UnreadableValueError("not a number")
    seconds = number(value.strip() if isinstance(value, str) else value, Kind("decimal"))
    return (
        int(seconds)
        if seconds == seconds.to_integral_value() and seconds.adjusted() < LONGEST_NUMBER
        else seconds
    )


def _moment(text: str, kind: Kind, form: str | None) -> Decimal:
    pattern = strptime_form(form) if form else None
    if pattern is not None:
        try:
            return _counted(datetime.strptime(text, pattern), kind)
        except ValueError:
            pass  # ISO 8601 is read beside the column's own format
    try:
        if kind.name == "date":
            return _day(text)
        if kind.name == "time":
            return _seconds(time.fromisoformat(text)) + _beyond_micros(text)
        return _counted(datetime.fromisoformat(text), kind) + _beyond_micros(text)
    except ValueError as error:
        raise UnreadableValueError(f"not a {kind.name}: {text!r}") from error


def _beyond_micros(text: str) -> Decimal:
    """What Python leaves out of a fraction of a second."""
    match = _FRACTION.search(text)
    return Decimal(match[1]).scaleb(-6 - len(match[1])) if match else Decimal(0)


def _day(text: str) -> Decimal:
    try:
        return Decimal((date.fromisoformat(text) - EPOCH.date()).days)
    except ValueError:
        return _counted(datetime.fromisoformat(text), Kind("date"))


def _counted(moment: datetime, kind: Kind) -> Decimal:
    if kind.name == "date":
        if moment.time() != time():
            raise ValueError("a day with a time")
        return Decimal((moment.date() - EPOCH.date()).days)
    if kind.name == "time":
        return _seconds(moment.time())
    gap = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return gap.days * 86400 + gap.seconds + Decimal(gap.microseconds) / MICRO


def _seconds(clock: time) -> Decimal:
    if clock.tzinfo is not None:
        raise ValueError("a time with a zone")
    whole = clock.hour * 3600 + clock.minute * 60 + clock.second
    return whole + Decimal(clock.microsecond) / MICRO


def strptime_form(form: str) -> str | None:
    """The format in Python's letters; None when a letter is not known."""
    pattern = ""
    for match in _FORMAT.finditer(form):
        text = match[0]
        if text.startswith("'"):
            pattern += (match[1] or "'").replace("%", "%%")
        elif text[0].isalpha():
            if text not in _LETTERS:
                return None
            pattern += _LETTERS[text]
        else:
            pattern += text.replace("%", "%%")
    return pattern
