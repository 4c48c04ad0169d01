"""Seconds to judge generated contract changes: pairs of 50 columns, several changes in each."""

from __future__ import annotations

import copy
import time
from typing import Any

from mbp.contracts.compatibility.diff import diff

COLUMNS = 50
KINDS: tuple[dict[str, Any], ...] = (
    {
        "logicalType": "string",
        "physicalType": "varchar(40)",
        "logicalTypeOptions": {"pattern": "^[a-z0-9_]+$"},
    },
    {
        "logicalType": "number",
        "physicalType": "decimal(18,8)",
        "logicalTypeOptions": {"minimum": 0},
    },
    {"logicalType": "integer", "physicalType": "bigint"},
    {"logicalType": "timestamp", "physicalType": "timestamptz"},
    {"logicalType": "string", "enum": [{"value": "open"}, {"value": "closed"}]},
)


def contract(number: int) -> dict[str, Any]:
    """One contract; the bounds and lengths differ from contract to contract."""
    columns = []
    for index in range(COLUMNS):
        kind = copy.deepcopy(KINDS[(index + number) % len(KINDS)])
        columns.append(
            {
                "name": f"column_{index}",
                "required": index % 2 == 0,
                "description": f"Column {index} of {number}.",
                **kind,
            }
        )
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"c{number}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "t", "properties": columns}],
    }


def changed(old: dict[str, Any], number: int) -> dict[str, Any]:
    """The contract with five changes, breaks of both directions among them."""
    new = copy.deepcopy(old)
    columns = new["schema"][0]["properties"]
    for offset, column in enumerate(columns[number % 20 : number % 20 + 5]):
        options = column.setdefault("logicalTypeOptions", {})
        if "pattern" in options:
            options["pattern"] = f"^[a-z]{{1,{number % 30 + 1}}}$"
        elif "minimum" in options:
            options["minimum"] = number
        elif "enum" in column:
            column["enum"].append({"value": f"state_{offset}"})
        elif column["physicalType"] == "bigint":
            column["physicalType"] = "int"
        else:
            column["required"] = not column["required"]
    return new


def seconds(count: int) -> float:
    """Wall clock of judging so many pairs."""
    pairs = [(old := contract(number), changed(old, number)) for number in range(count)]
    started = time.perf_counter()
    for old, new in pairs:
        diff(old, new)
    return time.perf_counter() - started
