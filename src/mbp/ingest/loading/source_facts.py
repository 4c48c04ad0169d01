"""What the loaded source does not have."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import logged
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.ingest.loading.first_day import with_first_day
from mbp.ingest.loading.loaded_facts import NOTHING_ABSENT, SourceFacts, read_facts
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.preflight import SAMPLE, raw_origin
from mbp.warehouse import Warehouse


def dataset_tables(root: Path) -> dict[str, str]:
    """Dataset -> the table of its change log.

    Raises:
        MbpError: the contracts cannot be read.
    """
    return {contract.dataset: log.table for contract, log in logged(load_contracts(root))}


def source_facts(root: Path, warehouse: Warehouse) -> SourceFacts:
    """What the loaded source does not have; the sample has everything.

    Raises:
        MbpError: a raw table that the project reads is not in the warehouse.
    """
    if raw_origin() == SAMPLE or load_settings(root).hosted:
        return NOTHING_ABSENT
    _, rows = warehouse.query("select table_schema, table_name from information_schema.tables")
    there = {f"{schema}.{table}" for schema, table in rows}
    missing = [f"raw_{name}" for name in raw_tables(root) if f"raw_{name}" not in there]
    if missing:
        raise MbpError(
            f"nothing was loaded: {', '.join(missing)} not in the warehouse",
            fix="run `mbp load <folder>`, start CDC, or leave MBP_RAW unset for the sample",
        )
    return with_first_day(root, warehouse, read_facts(warehouse, dataset_tables(root)))
