"""The type that each engine's catalog shows for the physical type of a contract: one table for all columns."""

from __future__ import annotations

import re

ENGINES = ("duckdb", "postgres", "spark")
# Name of the physical type -> its name in the catalog of each engine, in the order of ENGINES.
NAMES = {
    "bigint": ("BIGINT", "bigint", "bigint"),
    "boolean": ("BOOLEAN", "boolean", "boolean"),
    "date": ("DATE", "date", "date"),
    "decimal": ("DECIMAL", "numeric", "decimal"),
    "double": ("DOUBLE", "double precision", "double"),
    "integer": ("INTEGER", "integer", "int"),
    "smallint": ("SMALLINT", "smallint", "smallint"),
    "string": ("VARCHAR", "text", "string"),
    "timestamp": ("TIMESTAMP", "timestamp without time zone", "timestamp_ntz"),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone", "timestamp"),
}
PLAIN = "|".join(sorted(NAMES.keys() - {"decimal"}))
TYPE = re.compile(rf"({PLAIN})|decimal(\(\d+,\d+\))")


def engine_types(physical_type: str) -> dict[str, str]:
    """Engine -> type, for each of ENGINES; empty where the contract has to state them itself."""
    match = TYPE.fullmatch(physical_type)
    if match is None:
        return {}
    names = NAMES[match[1] or "decimal"]
    return {engine: f"{name}{match[2] or ''}" for engine, name in zip(ENGINES, names, strict=True)}
