"""What a physical type stores on the engine of a server, and how two types compare there.

Which type a name is on an engine is sqlglot's knowledge; defaults that belong to the type (the scale of a
bare `decimal`, the digits of a `timestamp`) are here, from the manuals of the engines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.contracts.compatibility.change_model import Compatibility, Kind
from mbp.contracts.compatibility.type_text import NotReadError, label_of, read
from mbp.contracts.compatibility.types import VARYING, fits, integer, physical

Parameters = tuple[int | str, ...]
Judge = Callable[[Kind, Kind], tuple[Compatibility, str]]
# Type of an ODCS server -> engine; files, streams and programs have no own types.
ENGINES = {
    "athena": "athena",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "duckdb": "duckdb",
    # Their types are those of the SQL standard, by their own documents.
    "flink": "standard",
    "iceberg": "standard",
    "hive": "hive",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "postgresql": "postgres",
    "presto": "presto",
    "redshift": "redshift",
    "snowflake": "snowflake",
    "spark": "spark",
    "sqlserver": "tsql",
    "synapse": "tsql",
    "trino": "trino",
}
ALL_ENGINES = tuple(sorted(set(ENGINES.values()) - {"standard"}))
TRINOS = ("trino", "presto", "athena")
# Where a number of 8 is one of bytes; elsewhere the name is not known, or one of bits.
BYTES_OF_INT = ("postgres", "redshift", "duckdb", "mysql")
INT_BYTES = {"int1": 8, "int2": 16, "int3": 24, "int4": 32, "int8": 64}
BIGNUM = 38
DECIMALS: dict[str, tuple[int | None, int | None]] = {
    "postgres": (None, None),
    "duckdb": (18, 3),
    "bigquery": (38, 9),
    "redshift": (18, 0),
    "tsql": (18, 0),
    "snowflake": (BIGNUM, 0),
    "oracle": (BIGNUM, 0),
    **dict.fromkeys(TRINOS, (BIGNUM, 0)),
    **dict.fromkeys(("spark", "databricks", "hive", "mysql", "clickhouse"), (10, 0)),
}
# What a text without a length may hold; None: any length. Where an engine is not named: any.
LENGTHS = {"redshift": 256, "snowflake": 16777216}
BYTE_TEXTS = {"TINYTEXT": 255, "TEXT": 65535, "MEDIUMTEXT": 16777215, "LONGTEXT": 4294967295}
DIGITS = {"mysql": 0, "snowflake": 9, "hive": 9, "tsql": 7, **dict.fromkeys(TRINOS, 3)}
# Engines that keep the offset with an instant, so that it is more than the instant.
KEEPS_OFFSET = ("snowflake", "oracle", "tsql", *TRINOS)
SMALL_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INT": 32, "BIGINT": 64}
SERIALS = {"SMALLSERIAL": 16, "SERIAL": 32, "BIGSERIAL": 64}
WIDE_INTEGERS = {"INT128": 128, "INT256": 256}
UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UMEDIUMINT": 24, "UINT": 32, "UBIGINT": 64}
SINGLE, DOUBLE = 24, 53
# Names of several words; any other word beside a name (a character set, a collation) makes another type.
PHRASES = {
    "binary varying",
    "char varying",
    "character varying",
    "double precision",
    "national char",
    "national character",
    "national character varying",
    "national varchar",
    "time with time zone",
    "time without time zone",
    "timestamp with local time zone",
    "timestamp with time zone",
    "timestamp without time zone",
    *(
        f"{name} unsigned"
        for name in ("tinyint", "smallint", "mediumint", "int", "integer", "bigint")
    ),
}
# sqlglot reads these on every engine; they are types of these alone.
ONLY = {"bytea": ("postgres", "duckdb"), "blob": ("duckdb", "mysql", "oracle")}


def engines_of(servers: Iterable[object]) -> tuple[str, ...]:
    """The engines that the `servers` entries of a contract name, each once."""
    types = (str(server.get("type", "")).lower() for server in servers if isinstance(server, dict))
    return tuple(sorted({ENGINES[type_name] for type_name in types if type_name in ENGINES}))


@lru_cache(maxsize=8192)
def stored(text: str, engine: str) -> Kind | None:
    """The kind that the type stores on the engine; None when it is not known there."""
    if engine == "standard":
        return physical(text)
    return read(text, lambda name, parameters: _resolve(name, parameters, engine))


@lru_cache(maxsize=8192)
def kind_on(text: str, engines: tuple[str, ...]) -> Kind:
    """The kind by which limits of a column are judged: that of its engines where they agree."""
    kinds = {stored(text, engine) for engine in engines}
    only = next(iter(kinds)) if len(kinds) == 1 else None
    return physical(text) if only is None else only


def type_fits(
    narrow: str, wide: str, engines: tuple[str, ...], judge: Judge = fits
) -> tuple[Compatibility, str]:
    """Whether every value of one physical type is one of the other, on all of the engines.

    Without an engine the words of the SQL standard decide, and no engine may contradict them.

    Args:
        judge: of two kinds on one engine.
    """
    if label_of(narrow) == label_of(wide):
        return Compatibility.OK, ""
    if engines:
        pairs = [_fits_on(narrow, wide, engine, judge) for engine in engines]
        if len({verdict for verdict, _ in pairs}) == 1:
            return pairs[0]
        return Compatibility.UNKNOWN, f"{', '.join(engines)} differ in what these types store"
    verdict, why = judge(physical(narrow), physical(wide))
    if verdict is not Compatibility.OK:
        return verdict, why
    known = _known_pairs(narrow, wide)
    if known and all(judge(kind, other)[0] is Compatibility.OK for kind, other in known):
        return Compatibility.OK, ""
    return Compatibility.UNKNOWN, "it depends on the engine: name it in servers[].type"


@lru_cache(maxsize=8192)
def _known_pairs(narrow: str, wide: str) -> tuple[tuple[Kind, Kind], ...]:
    """The two kinds on each engine that knows both types, each pair once."""
    pairs = ((stored(narrow, engine), stored(wide, engine)) for engine in ALL_ENGINES)
    return tuple({(kind, other) for kind, other in pairs if kind is not None and other is not None})


def _fits_on(narrow: str, wide: str, engine: str, judge: Judge) -> tuple[Compatibility, str]:
    kind, other = stored(narrow, engine), stored(wide, engine)
    if kind is None or other is None:
        return Compatibility.UNKNOWN, f"{engine} has no type {narrow if kind is None else wide}"
    return judge(kind, other)


@lru_cache(maxsize=8192)
def _type_name(name: str, engine: str) -> str | None:
    """sqlglot's name of the type that the engine calls so; None when it knows none."""
    level = logging.getLogger("sqlglot").level
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        data_type = exp.DataType.build(name, dialect=engine, udt=True)
    except (SqlglotError, ValueError, RecursionError):
        return None
    finally:
        logging.getLogger("sqlglot").setLevel(level)
    kind = data_type.this
    return kind.name if isinstance(kind, exp.DType) and kind is not exp.DType.USERDEFINED else None


def _resolve(name: str, parameters: tuple[int | str, ...], engine: str) -> Kind | None:
    if name in INT_BYTES:
        if engine in BYTES_OF_INT and not (engine == "duckdb" and name == "int3"):
            return integer(INT_BYTES[name])
        return integer(8) if (engine, name) == ("clickhouse", "int8") else None
    if (" " in name and name not in PHRASES) or engine not in ONLY.get(name, ALL_ENGINES):
        return None
    known = _type_name(name, engine)
    if known is None:
        return None
    numbers = tuple(parameter for parameter in parameters if isinstance(parameter, int))
    if engine == "tsql" and name.startswith("timestamp"):
        return Kind("nominal", label="rowversion") if name == "timestamp" else None
    for reader in (_whole, _number, _text, _time, _bytes):
        kind = reader(known, name, parameters, numbers, engine)
        if kind is not None:
            return kind
    if known == "BOOLEAN":
        return integer(8) if engine == "mysql" else Kind("boolean")
    return _nominal(name, parameters)


def _nominal(name: str, parameters: Parameters) -> Kind:
    """A type that fits itself alone."""
    return Kind("nominal", label=" ".join([name, *map(str, parameters)]))


def _whole(
    known: str, name: str, parameters: Parameters, _numbers: tuple[int, ...], engine: str
) -> Kind | None:
    bits = {**SMALL_INTEGERS, **WIDE_INTEGERS, **SERIALS}.get(known)
    unsigned = UNSIGNED.get(known)
    if bits is None and unsigned is None:
        return None
    if parameters and engine != "mysql":
        return _nominal(name, parameters)
    if engine in ("snowflake", "oracle") and bits is not None:
        return Kind("decimal", precision=BIGNUM, scale=0)
    if engine == "bigquery" and bits is not None:
        return integer(64)
    if unsigned is not None:
        return integer(unsigned, signed=False)
    return integer(bits or 0)


def _number(
    known: str, name: str, parameters: Parameters, numbers: tuple[int, ...], engine: str
) -> Kind | None:
    if known == "BIGDECIMAL":
        return _nominal(name, parameters)
    if known == "DECIMAL":
        if not parameters:
            # Oracle's NUMBER without digits holds any; its DECIMAL and NUMERIC are whole numbers.
            bare = (None, None) if (engine, name) == ("oracle", "number") else DECIMALS[engine]
            return Kind("decimal", precision=bare[0], scale=bare[1])
        if len(numbers) != len(parameters) or len(numbers) > 2:  # noqa: PLR2004
            raise NotReadError("the parameters")
        scale = numbers[1] if len(numbers) > 1 else 0
        return Kind("decimal", precision=numbers[0], scale=scale)
    if known not in ("FLOAT", "DOUBLE"):
        return None
    if engine == "oracle":
        if name not in ("real", "float", "double precision"):
            raise NotReadError(name)
        return _nominal(name, parameters)
    if engine in ("snowflake", "bigquery"):
        return Kind("float", bits=DOUBLE)
    if name == "float" and engine in ("postgres", "redshift", "tsql"):
        digits = numbers[0] if numbers else DOUBLE
        return Kind("float", bits=SINGLE if digits <= SINGLE else DOUBLE)
    if name == "float" and engine == "mysql" and len(numbers) == 1:
        return Kind("float", bits=SINGLE if numbers[0] <= SINGLE else DOUBLE)
    if parameters:
        return _nominal(name, parameters)
    if name == "real" and engine == "mysql":
        return Kind("float", bits=DOUBLE)
    return Kind("float", bits=SINGLE if known == "FLOAT" else DOUBLE)


def _text(
    known: str, name: str, parameters: Parameters, numbers: tuple[int, ...], engine: str
) -> Kind | None:
    if known not in ("VARCHAR", "NVARCHAR", "CHAR", "NCHAR", "BPCHAR", "NAME", *BYTE_TEXTS):
        return None
    if len(parameters) > 1:
        raise NotReadError("the parameters")
    length = numbers[0] if numbers else None
    national = known.startswith("N") and engine in ("tsql", "oracle", "mysql")
    label = "national" if national or name == "ntext" else None
    if known == "NAME":
        return Kind("nominal", label=name)
    if known in BYTE_TEXTS and name not in VARYING:
        if name in FIXED_NAMES:
            return Kind("string", length=length or 1, fixed=True)
        if engine == "mysql":
            return Kind("string", length=length or BYTE_TEXTS[known], label="bytes")
        return Kind("string", length=length or LENGTHS.get(engine), label=label)
    if known in ("CHAR", "NCHAR") or (known == "BPCHAR" and length is not None):
        # Snowflake pads nothing: its CHAR is a VARCHAR of another default length.
        return Kind("string", length=length or 1, fixed=engine != "snowflake", label=label)
    if known == "BPCHAR":
        return Kind("nominal", label=name)
    if length is None and not parameters:
        if engine in ("mysql", "oracle", "hive", "tsql"):
            raise NotReadError("there it needs a length, or is one character")
        length = LENGTHS.get(engine)
    return Kind("string", length=length, label=label)


# DuckDB reads these as text; what the contract says of their length is kept.
FIXED_NAMES = ("char", "bpchar", "nchar", "character")


def _time(
    known: str, name: str, parameters: Parameters, numbers: tuple[int, ...], engine: str
) -> Kind | None:
    digits = numbers[0] if numbers else DIGITS.get(engine, 6)
    if len(numbers) != len(parameters) or len(numbers) > 1:
        return None
    if known == "DATE":
        return Kind("timestamp", digits=0) if engine == "oracle" else Kind("date")
    if known in ("TIME", "TIMETZ"):
        zoned = known == "TIMETZ" or name.endswith("with time zone")
        return Kind("time", digits=digits, zoned=zoned)
    if name in ("timestamp_s", "timestamp_ms", "timestamp_ns"):
        return Kind("timestamp", digits={"s": 0, "ms": 3, "ns": 9}[name.rpartition("_")[2]])
    if known == "DATETIME":
        if engine in ("snowflake", "mysql"):
            return Kind("timestamp", digits=digits)
        if engine == "clickhouse":
            return Kind("timestamp", digits=0, zoned=True)
        if engine != "tsql":
            raise NotReadError(name)
    if known == "DATETIME2":
        return Kind("timestamp", digits=digits)
    if known in ("TIMESTAMPTZ", "TIMESTAMPLTZ"):
        offset = known == "TIMESTAMPTZ" and engine in KEEPS_OFFSET
        return Kind("timestamp", digits=digits, zoned=True, label="offset" if offset else None)
    if known == "TIMESTAMP" and engine == "snowflake":
        return Kind("unclear", label="timestamp")  # a parameter of the session decides
    if known in ("TIMESTAMP", "TIMESTAMPNTZ"):
        return Kind("timestamp", digits=digits)
    return None


def _bytes(
    known: str, name: str, parameters: Parameters, numbers: tuple[int, ...], engine: str
) -> Kind | None:
    length = numbers[0] if numbers else None
    if known not in ("BINARY", "VARBINARY") or (engine, name) == ("oracle", "blob"):
        return None
    if known == "BINARY" and engine in ("mysql", "tsql"):
        return Kind("binary", length=length or 1, fixed=True)
    if known == "VARBINARY" and engine == "tsql" and not parameters:
        return Kind("binary", length=1)
    return Kind("binary", length=length)


__all__ = ["ENGINES", "engines_of", "kind_on", "stored", "type_fits"]
