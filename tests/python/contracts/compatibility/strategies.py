"""Generated columns and pairs of contracts, small enough that their values can be tried out."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PATTERNS = ("^[a-z]+$", "^[a-z]{3}$", "^[a-z0-9]+$", "^a", "b$", "^(a|b|c)$", "^[0-9]{2,4}$", "x")
PHYSICAL: dict[str, tuple[str, ...]] = {
    "integer": ("smallint", "int", "bigint", "decimal(10,0)", "decimal(19,0)", "real", "double"),
    "number": ("decimal(10,2)", "decimal(12,2)", "decimal(12,4)", "real", "double", "numeric"),
    "string": ("text", "varchar(5)", "varchar(9)", "char(5)"),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": ("timestamp", "timestamptz", "timestamp(3)"),
}
NUMBERS = st.one_of(st.integers(-6, 6), st.sampled_from([0.5, 1.25, -2.5]))
SIZES = st.integers(0, 4)


@st.composite
def bounds(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """A lower and an upper bound, open or closed, or none."""
    found: dict[str, Any] = {}
    low, high = sorted([draw(values), draw(values)])
    if draw(st.booleans()):
        found[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()) and high > low:
        found[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high
    return found


@st.composite
def columns(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    """One property without its name."""
    kinds = [*PHYSICAL] + (["object", "array", "map"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    found: dict[str, Any] = {"logicalType": kind, "required": draw(st.booleans())}
    options: dict[str, Any] = {}
    if kind in PHYSICAL and draw(st.booleans()):
        found["physicalType"] = draw(st.sampled_from(PHYSICAL[kind]))
    if kind in ("integer", "number"):
        options = draw(bounds(st.integers(-6, 6) if kind == "integer" else NUMBERS))
        if draw(st.integers(0, 5)) == 0:
            options["multipleOf"] = draw(st.sampled_from([1, 2, 3, 4]))
        if draw(st.integers(0, 4)) == 0:
            values = draw(st.lists(st.integers(-6, 6), min_size=1, max_size=3, unique=True))
            found["enum"] = [{"value": value} for value in values]
    if kind == "string":
        low, high = sorted([draw(SIZES), draw(SIZES)])
        options = {"minLength": low} if draw(st.booleans()) else {}
        options |= {"maxLength": high + 1} if draw(st.booleans()) else {}
        if draw(st.integers(0, 2)) == 0:
            options["pattern"] = draw(st.sampled_from(PATTERNS))
        if draw(st.integers(0, 4)) == 0:
            values = draw(
                st.lists(
                    st.sampled_from(["a", "b", "ab", "abc", "x1"]),
                    min_size=1,
                    max_size=3,
                    unique=True,
                )
            )
            found["enum"] = [{"value": value} for value in values]
    if kind == "date":
        options = draw(bounds(st.sampled_from(["2024-01-01", "2024-06-01", "2025-01-01"])))
    if kind == "object":
        found["properties"] = draw(fields(depth - 1))
    if kind == "array":
        found["items"] = draw(columns(depth - 1))
        options = {"minItems": draw(SIZES)} if draw(st.booleans()) else {}
        options |= {"maxItems": draw(SIZES) + 4} if draw(st.booleans()) else {}
    if kind == "map":
        found["map"] = {
            "key": {"logicalType": "string", "required": True},
            "value": draw(columns(depth - 1)),
        }
    return found | ({"logicalTypeOptions": options} if options else {})


@st.composite
def fields(draw: st.DrawFn, depth: int = 1) -> list[dict[str, Any]]:
    """Some named properties."""
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    return [{"name": name, **draw(columns(depth))} for name in names]


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """A contract with one table."""
    table: dict[str, Any] = {"name": "t", "properties": draw(fields())}
    extra = draw(st.sampled_from([None, None, None, False, True]))
    if extra is not None:
        table["customProperties"] = [{"property": "additionalProperties", "value": extra}]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "c",
        "version": "1.0.0",
        "status": "active",
        "schema": [table],
    }
