"""Which rows a measurement is of. Apart from the source, for that is asked where no engine is installed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.warehouse.relations import fingerprint

if TYPE_CHECKING:
    from mbp.warehouse import Warehouse


def data_state(root: Path, warehouse: Warehouse) -> str:
    """SHA-256 over rows and content of the public datasets, whatever the order of their rows.

    Another row, or another value in one, is another state; so is another release of the engine.

    Raises:
        MbpError: a public dataset that is not there.
    """
    import duckdb
    import psycopg2

    digest = hashlib.sha256()
    for contract in sorted(load_contracts(root), key=lambda contract: contract.dataset):
        schema = contract.schema_in(warehouse)
        try:
            rows, content = fingerprint(warehouse, schema, contract.dataset)
        except (duckdb.Error, psycopg2.Error) as error:
            what = f"{schema}.{contract.dataset} cannot be read: {str(error).splitlines()[0]}"
            raise MbpError(what, fix="run `mbp build`") from error
        digest.update(f"{contract.dataset}\0{rows}\0{content}\n".encode())
    return digest.hexdigest()
