"""Text in the warehouse: log samples, the public datasets, and what readers see of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.model import Column, Contract
from mbp.core.masking import MASKED, mask
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import SensitiveValue, scan_lines
from mbp.runs.preflight import SAMPLE, raw_origin, refuse_sample_over_loaded
from mbp.warehouse import Warehouse
from mbp.warehouse.relations import READERS, place

DIGEST = "^[0-9a-f]{64}$"


@dataclass(frozen=True)
class ScannedTable:
    """What was scanned in one table."""

    place: str
    rows: int
    bytes: int
    findings: Sequence[SensitiveValue]


def log_table(warehouse: Warehouse, table: str, policy: PrivacyPolicy) -> Iterator[ScannedTable]:
    """All text columns of a raw table, `family.table`, of the sample or of what was loaded.

    Raises:
        MbpError: the sample is asked for in a warehouse of loaded data: its lines tell nothing of the services.
    """
    refuse_sample_over_loaded(warehouse)
    family, _, name = table.partition(".")
    schema = f"{'sample' if raw_origin() == SAMPLE else 'raw'}_{family}"
    columns, rows = warehouse.query(f"select * from {place(schema, name)}")
    findings: list[SensitiveValue] = []
    size = 0
    for index, column in enumerate(columns):
        texts = [(mask(row[0]), row[index]) for row in rows if isinstance(row[index], str)]
        size += sum(len(text) for _, text in texts)
        findings += scan_lines(texts, f"{schema}.{name}.{column}", column, policy)
    yield ScannedTable(f"{schema}.{name}", len(rows), size, findings)


def datasets(root: Path, warehouse: Warehouse, policy: PrivacyPolicy) -> Iterator[ScannedTable]:
    """Text of the public datasets. Pseudonyms must be digests; anything else could be the name itself."""
    for contract in load_contracts(root):
        schema = contract.schema_in(warehouse)
        table = f"{schema}.{contract.dataset}"
        findings: list[SensitiveValue] = []
        size = 0
        for column in contract.columns:
            if column.logical_type != "string" or column.reference or _listed(contract, column):
                continue
            values = _distinct(warehouse, schema, contract, column.name)
            size += sum(len(text) for _, text in values)
            where = f"{table}.{column.name}"
            if hashed(column):
                findings += [
                    sensitive_value(
                        "not_hashed", "no digest in a column of digests", where, key, text
                    )
                    for key, text in values
                    if not re.fullmatch(DIGEST, text)
                ]
            else:
                findings += scan_lines(values, where, column.name, policy)
        yield ScannedTable(table, _count(warehouse, schema, contract), size, findings)


def published(root: Path, warehouse: Warehouse) -> Iterator[ScannedTable]:
    """What readers see: every value of a classified column is masked."""
    for contract in load_contracts(root):
        table = f"{READERS}.{contract.dataset}"
        findings = []
        for column in contract.columns:
            if column.open:
                continue
            findings += [
                sensitive_value(
                    "not_masked", "a classified column is shown", f"{table}.{column.name}", *text
                )
                for text in _distinct(warehouse, READERS, contract, column.name)
                if not MASKED.fullmatch(text[1])
            ]
        yield ScannedTable(table, _count(warehouse, READERS, contract), 0, findings)


def hashed(column: Column) -> bool:
    """Whether the contract guarantees digests, or the name says so."""
    return column.options.get("pattern") == DIGEST or column.name.endswith("_hash")


def sensitive_value(kind: str, what: str, where: str, key: Any, text: str) -> SensitiveValue:
    """A finding about a row."""
    shape = re.sub(r"[^\W_]", "*", text)[:24]
    return SensitiveValue(kind, what, f"{where} row {key}", 0, 0, shape, str(mask(text)))


def _listed(contract: Contract, column: Column) -> bool:
    """Whether its values are a closed list that the contract tests."""
    return any(
        rule.column == column.name and rule.family == "accepted_values" for rule in contract.rules
    )


def _distinct(
    warehouse: Warehouse, schema: str, contract: Contract, column: str
) -> list[tuple[str, str]]:
    """(mark of a row, value) for every value once."""
    _, rows = warehouse.query(
        f'select min("{contract.key.name}"), "{column}" from {place(schema, contract.dataset)}'
        f' where "{column}" is not null group by 2 order by 1'
    )
    return [(str(mask(key)), str(value)) for key, value in rows]


def _count(warehouse: Warehouse, schema: str, contract: Contract) -> int:
    return int(warehouse.query(f"select count(*) from {place(schema, contract.dataset)}")[1][0][0])
