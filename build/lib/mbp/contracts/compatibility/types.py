"""Types: what their names store, and whether every value of one is a value of another.

A change of type is safe only when no stored value must be read in another way or be invented:
decimals keep their scale, temporal types their precision and zone, and an integer becomes a binary
float only while the significand holds it. The rules are those of Apache Flink's and Confluent's
logical type widening.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from mbp.contracts.compatibility.change_model import Compatibility, Kind
from mbp.contracts.compatibility.type_text import label_of, read

MICROSECONDS = 6
# Of a physical type that we do not know only equality can be said.
_INTEGER_BITS = {
    **dict.fromkeys(("tinyint", "int1", "byte", "int8_t"), 8),
    **dict.fromkeys(("smallint", "int2", "short", "smallserial"), 16),
    **dict.fromkeys(("int", "integer", "int4", "mediumint", "signed", "serial"), 32),
    **dict.fromkeys(("bigint", "int8", "long", "bigserial", "int64"), 64),
    "hugeint": 128,
}
_UNSIGNED_BITS = {"utinyint": 8, "usmallint": 16, "uinteger": 32, "ubigint": 64, "uhugeint": 128}
_FLOAT_BITS = {
    **dict.fromkeys(("real", "float4", "float32"), 24),
    **dict.fromkeys(("double", "double precision", "float8", "float64"), 53),
}
_UNBOUNDED_TEXT = ("text", "string", "clob", "ntext", "tinytext", "longtext")
VARYING = ("varchar", "character varying", "nvarchar", "varchar2", "char varying", "nvarchar2")
_FIXED_TEXT = ("char", "character", "bpchar", "nchar")
_VARYING_BYTES = ("varbinary", "bytea", "blob", "bytes", "binary varying")
_ZONED = ("timestamptz", "timestamp with time zone", "timestamp_ltz")
_UNZONED = ("timestamp", "timestamp without time zone", "timestamp_ntz", "datetime")
UNSTATED = Kind("unstated")
CONTAINERS = ("array", "object", "map", "multiset")
BYTES_OF_CHARACTER = 4
MOST_DIGITS = 150


def integer(bits: int, *, signed: bool = True) -> Kind:
    """An integer of that many bits."""
    if signed:
        return Kind("integer", low=-(2 ** (bits - 1)), high=2 ** (bits - 1) - 1)
    return Kind("integer", low=0, high=2**bits - 1)


@lru_cache(maxsize=8192)
def physical(text: str) -> Kind:
    """The kind that a physical type stores by the words of the SQL standard; nominal when not known."""
    label = label_of(text)
    kind = read(text, _named)
    return Kind("nominal", label=label) if kind is None else kind


def _named(name: str, parameters: tuple[int | str, ...]) -> Kind | None:
    nominal = Kind("nominal", label=" ".join([name, *map(str, parameters)]))
    numbers = [parameter for parameter in parameters if isinstance(parameter, int)]
    first = numbers[0] if numbers else None
    if len(parameters) > 2 or any(number < 0 for number in numbers[:1]):  # noqa: PLR2004
        return nominal
    if name in _INTEGER_BITS:
        return integer(_INTEGER_BITS[name])
    if name in _UNSIGNED_BITS:
        return integer(_UNSIGNED_BITS[name], signed=False)
    if name in ("decimal", "numeric", "dec", "number"):
        scale = numbers[1] if len(numbers) > 1 else (0 if numbers else None)
        return Kind("decimal", precision=first, scale=scale)
    if len(parameters) > 1:
        return nominal
    if name in _FLOAT_BITS:
        return Kind("float", bits=_FLOAT_BITS[name])
    if name == "float":
        # SQL: float(p) is single up to 24 bits; without p the engines disagree, so only itself.
        if first is None:
            return Kind("float", bits=53)
        return Kind("float", bits=24 if first <= 24 else 53)  # noqa: PLR2004
    if name in _UNBOUNDED_TEXT or name in VARYING:
        return Kind("string", length=first)
    if name in _FIXED_TEXT:
        return Kind("string", length=first or 1, fixed=True)
    if name in _VARYING_BYTES:
        return Kind("binary", length=first)
    if name == "binary":
        return Kind("binary", length=first, fixed=first is not None)
    if name in ("boolean", "bool"):
        return Kind("boolean")
    if name == "date":
        return Kind("date")
    if name in ("time", "time without time zone"):
        return Kind("time", digits=MICROSECONDS if first is None else first)
    if name in _ZONED:
        return Kind("timestamp", digits=MICROSECONDS if first is None else first, zoned=True)
    if name in _UNZONED:
        return Kind("timestamp", digits=MICROSECONDS if first is None else first)
    return {
        "timestamp_s": Kind("timestamp", digits=0),
        "timestamp_ms": Kind("timestamp", digits=3),
        "timestamp_ns": Kind("timestamp", digits=9),
    }.get(name, nominal)


def logical(name: str | None, options: dict[str, Any]) -> Kind:
    """The kind of an ODCS logical type."""
    form = str(options.get("format", ""))
    if name == "integer":
        number = re.fullmatch(r"([iu])(\d+)", form)
        if number:
            return integer(int(number[2]), signed=number[1] == "i")
        return Kind("integer")
    if name == "number":
        bits = {"f32": 24, "f64": 53}.get(form)
        return Kind("float", bits=bits) if bits else Kind("decimal")
    if name in ("timestamp", "time"):
        return Kind(name, digits=MICROSECONDS, zoned=bool(options.get("timezone", False)))
    if name == "vector":
        return Kind(
            "vector", length=options.get("dimensions"), label=options.get("elementType", "float32")
        )
    if name in ("string", "date", "boolean", "array", "object", "map", "multiset"):
        return Kind(name)
    return UNSTATED if name is None else Kind("nominal", label=name)


def fits(narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
    """Whether every stored value of `narrow` is one of `wide`, and why not.

    Of arrays, objects and maps only the parts that the physical type itself writes are compared.
    """
    if narrow == wide or wide.name == "unstated":
        return Compatibility.OK, ""
    if narrow.name == "unstated":
        return Compatibility.BREAK, "values of any type were allowed"
    if "unclear" in (narrow.name, wide.name):
        return Compatibility.UNKNOWN, f"settings of the engine decide what {shown(narrow)} is"
    pair = (narrow.name, wide.name)
    if narrow.name == wide.name and narrow.name in CONTAINERS:
        return _containers(narrow, wide)
    if pair == ("integer", "integer"):
        return _said(_within(narrow, wide), "the range is smaller")
    if pair == ("integer", "decimal"):
        return _said(_integer_in_decimal(narrow, wide), "the integer digits do not hold the range")
    if pair == ("integer", "float"):
        return _said(
            _integer_in_float(narrow, wide),
            f"integers beyond 2^{wide.bits} are rounded in a binary float",
        )
    if pair == ("decimal", "decimal"):
        return _decimals(narrow, wide)
    if pair == ("float", "float"):
        return _said((narrow.bits or 0) <= (wide.bits or 0), "binary digits are lost")
    if pair in (("string", "string"), ("binary", "binary")):
        return _lengths(narrow, wide)
    if pair == ("timestamp", "timestamp") and narrow.zoned != wide.zoned:
        return Compatibility.BREAK, "an instant and a wall clock reading are different facts"
    if pair == ("timestamp", "timestamp") and narrow.label != wide.label:
        return Compatibility.BREAK, "the offset would be lost or invented"
    if pair in (("timestamp", "timestamp"), ("time", "time")):
        if narrow.zoned != wide.zoned:
            return Compatibility.BREAK, "a zone would have to be invented"
        return Compatibility.BREAK, "stored values would be rewritten at another precision"
    if pair == ("vector", "vector"):
        return Compatibility.BREAK, "vectors of another shape cannot be compared"
    if pair == ("nominal", "nominal"):
        return Compatibility.UNKNOWN, f"nothing is known of {narrow.label!r} and {wide.label!r}"
    return Compatibility.BREAK, f"a {shown(narrow)} is not a {shown(wide)}"


def _containers(narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
    """By the physical type alone: what the contract says of elements and fields is compared apart."""
    if wide.label is None and not wide.parts:
        return Compatibility.OK, ""
    if narrow.label != wide.label or bool(narrow.parts) != bool(wide.parts):
        return Compatibility.UNKNOWN, f"nothing is known of {shown(narrow)} and {shown(wide)}"
    parts = dict(narrow.parts)
    names = [name for name, _ in narrow.parts]
    missing = [name for name, _ in wide.parts if name not in parts]
    if missing:
        return Compatibility.BREAK, f"the field {missing[0]!r} is missing"
    for name, kind in wide.parts:
        verdict, why = fits(parts[name], kind)
        if verdict is not Compatibility.OK:
            where = {"[]": "elements", "{key}": "keys", "{}": "values"}.get(name, f"field {name}")
            return verdict, f"{where}: {why}"
    if names != [name for name, _ in wide.parts]:
        return (
            Compatibility.UNKNOWN,
            "the fields of the record are not the same, or in another order",
        )
    return Compatibility.OK, ""


def shown(kind: Kind) -> str:
    """The kind in a message."""
    if kind.name in ("nominal", "unclear") or (kind.name in CONTAINERS and kind.label):
        return str(kind.label)
    if kind.name == "decimal" and kind.precision is not None:
        return f"decimal({kind.precision},{kind.scale})"
    if kind.name in ("string", "binary") and kind.length is not None:
        return f"{'fixed ' if kind.fixed else ''}{kind.name}({kind.length})"
    if kind.name == "timestamp":
        return f"{'instant' if kind.zoned else 'local timestamp'}({kind.digits})"
    return kind.name


def _said(holds: bool, why: str) -> tuple[Compatibility, str]:
    return (Compatibility.OK, "") if holds else (Compatibility.BREAK, why)


def _within(narrow: Kind, wide: Kind) -> bool:
    low = wide.low is None or (narrow.low is not None and narrow.low >= wide.low)
    high = wide.high is None or (narrow.high is not None and narrow.high <= wide.high)
    return low and high


def _integer_in_decimal(narrow: Kind, wide: Kind) -> bool:
    if wide.precision is None:
        return True
    if narrow.low is None or narrow.high is None:
        return False
    digits = wide.precision - (wide.scale or 0)
    if digits > MOST_DIGITS:
        return True  # no integer type has as many
    room: int = 10 ** max(digits, 0) - 1
    return max(abs(narrow.low), abs(narrow.high)) <= room


def _integer_in_float(narrow: Kind, wide: Kind) -> bool:
    if narrow.low is None or narrow.high is None:
        return False
    room: int = 2 ** (wide.bits or 0)
    return max(abs(narrow.low), abs(narrow.high)) <= room


def _decimals(narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
    if wide.precision is None and wide.scale is None:
        return Compatibility.OK, ""
    if narrow.precision is None:
        return Compatibility.BREAK, "numbers of any precision were allowed"
    if (narrow.scale or 0) != (wide.scale or 0):
        return Compatibility.BREAK, "at another scale stored values would be rounded or gain digits"
    return _said((wide.precision or 0) >= narrow.precision, "fewer digits fit")


def _lengths(narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
    if narrow.fixed and wide.fixed and narrow.label == wide.label:
        return Compatibility.BREAK, "values of fixed length would be padded or cut"
    if wide.fixed:
        return Compatibility.BREAK, "values would be padded to a fixed length"
    if narrow.label != wide.label:
        return _byte_lengths(narrow, wide)
    if wide.length is None:
        return Compatibility.OK, ""
    return _said(
        narrow.length is not None and narrow.length <= wide.length, "longer values were allowed"
    )


def _byte_lengths(narrow: Kind, wide: Kind) -> tuple[Compatibility, str]:
    """One counts characters and the other bytes, or they differ in their character set."""
    if "national" in (narrow.label, wide.label):
        return Compatibility.UNKNOWN, "the character sets differ"
    if narrow.label == "bytes":
        return _said(
            wide.length is None or (narrow.length or 0) <= wide.length, "longer values were allowed"
        )
    if narrow.length is not None and narrow.length * BYTES_OF_CHARACTER <= (wide.length or 0):
        return Compatibility.OK, ""
    return Compatibility.UNKNOWN, "one length counts characters and the other bytes"
