"""Values as Debezium writes them, to the exact text that the raw tables take.

What a value means depends on the settings of the pipeline that wrote it. Where a record does not say which, and
two readings are possible, the value is refused: a guess would be a wrong number that nothing shows.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mbp.core.errors import MbpError
from mbp.ingest.cdc.pgoutput import UNCHANGED, Value

# How large a value of a foreign record may be: checked before any work that grows with it. No contracted column comes
# near these bounds; what is beyond them is an error of the writer, or an attack.
# Characters of a number as text, digits of an exponent, and powers of ten of a scale.
NUMBER_CHARACTERS = 1000
EXPONENT_DIGITS = 3
SCALE = 1000
# Bytes of an unscaled number: more than 300 decimal digits.
NUMBER_BYTES = 128
# Bytes of one line of a file. The longest text that a column holds is far shorter.
RECORD_BYTES = 32 << 20
# This much of a longer line is kept, to recognise it.
KEPT_BYTES = 64 << 10
# A position in the log and a commit's time fit the columns that keep them: 63 bits, and the year 9999.
MOST_POSITION = (1 << 63) - 1
MOST_MILLISECONDS = 253_402_300_799_999
PLACEHOLDER = "__debezium_unavailable_value"
WRITTEN_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?([0-9]+))?")
SPECIAL_DECIMALS = ("NaN", "Infinity", "-Infinity", "NAN", "POSITIVE_INFINITY", "NEGATIVE_INFINITY")
# A number this long could be bytes in base64 as well, when nothing says which of them it is.
BASE64_GROUP = 4
# An instant without a schema: Unix milliseconds, microseconds or nanoseconds, distinguished by size (after March 1973).
UNITS = ((10**11, 10**14, 1000), (10**14, 10**17, 1), (10**17, 10**20, -1000))
SCHEMA_UNITS = {
    "io.debezium.time.Timestamp": 1000,
    "org.apache.kafka.connect.data.Timestamp": 1000,
    "io.debezium.time.MicroTimestamp": 1,
    "io.debezium.time.NanoTimestamp": -1000,
}
CONNECT_DECIMAL = "org.apache.kafka.connect.data.Decimal"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RefusedRecordError(Exception):
    """One record that cannot be taken in, and why; it becomes a dead letter."""


class Number(str):
    """A number with a fraction, as it was written in JSON."""

    __slots__ = ()


def exact_text(value: Any, kind: str, name: str, schema: Mapping[str, Any] | None) -> Value:
    """One value of a record.

    Args:
        kind: type of the raw table: text, timestamptz, decimal(p,s), bigint, boolean.
        schema: what Kafka Connect says of the field, where the record brings it.

    Raises:
        RefusedRecordError: this value has no exact text.
        MbpError: no value of the pipeline has: its settings lose digits, or hide which they are.
    """
    if value is None:
        return None
    if type(value) is str:
        if value == PLACEHOLDER:
            return UNCHANGED
        if kind in ("text", "timestamptz"):
            if "\0" in value or not (value.isascii() or _is_unicode(value)):
                raise RefusedRecordError(
                    f"{name} has a character that no text of the warehouse can hold"
                )
            return value
    if kind == "text":
        raise RefusedRecordError(f"{name} is {_kind_of(value)}, expected a string")
    if kind.startswith("decimal"):
        return _decimal(value, name, schema or {})
    if kind == "timestamptz":
        return _instant(value, name, schema or {})
    if kind == "boolean" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "bigint" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RefusedRecordError(f"{name} is {_kind_of(value)}, expected {kind}")


def _decimal(value: Any, name: str, schema: Mapping[str, Any]) -> str:
    if type(value) is str:
        if len(value) > NUMBER_CHARACTERS:
            raise RefusedRecordError(f"{name} is longer than any number")
        if schema.get("name") == CONNECT_DECIMAL:
            parameters = schema.get("parameters")
            scale = parameters.get("scale") if isinstance(parameters, dict) else None
            return _unscaled(value, scale, name)
        if WRITTEN_DECIMAL.fullmatch(value):
            if not schema and value.isdigit() and len(value) % BASE64_GROUP == 0:
                raise RefusedRecordError(
                    f"{name} may be a number or its bytes: nothing in the record says which"
                )
            return _written(value, name)
        if value in SPECIAL_DECIMALS:
            raise RefusedRecordError(f"{name} is not a number")
        raise MbpError(
            f"{name} is neither a decimal number nor does a schema tell its scale",
            fix="set decimal.handling.mode=string in the pipeline (or write schemas with the records)",
        )
    if isinstance(value, Decimal):
        return _bounded(value, name)
    if isinstance(value, Number) and schema.get("name") == CONNECT_DECIMAL:
        return _written(value, name)
    if isinstance(value, (Number, float)):
        raise MbpError(
            f"{name} was written as a binary fraction, which is not exact",
            fix="set decimal.handling.mode=string in the pipeline and have it write the records again",
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict) and value.keys() == {"scale", "value"}:
        return _unscaled(value["value"], value["scale"], name)
    if isinstance(value, bytes):
        raise MbpError(
            f"{name} is bytes without a scale",
            fix="set decimal.handling.mode=string in the pipeline",
        )
    raise RefusedRecordError(f"{name} is {_kind_of(value)}, expected a decimal number")


def _is_unicode(text: str) -> bool:
    """False: JSON wrote half of a pair (`\\ud800`), which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _written(text: str, name: str) -> str:
    """A number as it was written, without its exponent."""
    matched = WRITTEN_DECIMAL.fullmatch(text) if len(text) <= NUMBER_CHARACTERS else None
    if matched is None:
        raise RefusedRecordError(f"{name} is not a number, or longer than any")
    if matched[1] is None:
        return text
    if len(matched[1].lstrip("0")) > EXPONENT_DIGITS:
        raise RefusedRecordError(f"{name} has an exponent beyond any number of a table")
    return _bounded(Decimal(text), name)


def _bounded(number: Decimal, name: str) -> str:
    if not number.is_finite():
        raise RefusedRecordError(f"{name} is not a number")
    text = plain_text(number)
    if text is None:
        raise RefusedRecordError(f"{name} has a scale beyond any number of a table")
    return text


def _unscaled(value: Any, scale: Any, name: str) -> str:
    """Big-endian two's complement, divided by ten to the scale."""
    try:
        scale = int(str(scale))
    except ValueError as error:
        raise RefusedRecordError(f"{name} has a scale that is no whole number") from error
    if abs(scale) > SCALE:
        raise RefusedRecordError(f"{name} has a scale beyond any number of a table")
    if isinstance(value, (str, bytes)) and len(value) > NUMBER_CHARACTERS:
        raise RefusedRecordError(f"{name} is longer than any number")
    try:
        raw = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise RefusedRecordError(f"{name} is not base64: {error}") from error
    if not 0 < len(raw) <= NUMBER_BYTES:
        raise RefusedRecordError(f"{name} has {'no' if not raw else 'too many'} bytes")
    number = int.from_bytes(raw, "big", signed=True)
    digits = tuple(int(digit) for digit in str(abs(number)))
    return format(Decimal((int(number < 0), digits, -scale)), "f")


def _instant(value: Any, name: str, schema: Mapping[str, Any]) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        named = schema.get("name")
        unit = SCHEMA_UNITS.get(str(named)) if named else _unit(abs(value))
        if unit is None:
            raise RefusedRecordError(f"{name} is a number of which nothing says the unit")
        if unit < 0 and value % 1000:
            raise RefusedRecordError(f"{name} has nanoseconds, which cannot be kept")
        microseconds = value // 1000 if unit < 0 else value * unit
        try:
            moment = EPOCH + timedelta(microseconds=microseconds)
        except OverflowError as error:
            raise RefusedRecordError(f"{name} is not an instant of the years 1 to 9999") from error
        return moment.isoformat(timespec="microseconds")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise RefusedRecordError(f"{name} is a timestamp without time zone")
        if getattr(value, "nanosecond", 0):
            raise RefusedRecordError(f"{name} has nanoseconds, which cannot be kept")
        return datetime.isoformat(value, timespec="microseconds")
    raise RefusedRecordError(f"{name} is {_kind_of(value)}, expected an instant")


def _unit(size: int) -> int | None:
    for low, high, unit in UNITS:
        if low <= size < high:
            return unit
    return None


def _kind_of(value: Any) -> str:
    """What a value is, without the value: it may be personal."""
    if isinstance(value, (dict, list)):
        return "a structure"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, bytes):
        return "bytes"
    return "a string" if type(value) is str else "a number"


def plain_text(number: Decimal) -> str | None:
    """A finite number without an exponent; None: it would be absurdly long."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > SCALE:
        return None
    return format(number, "f")
