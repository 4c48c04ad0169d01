"""The proof's sandbox on DuckDB: a database in memory under the name that the SQL expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from lab.proof.sandbox import SandboxError


class DuckdbSandbox:
    """See `lab.proof.sandbox.Sandbox`; rows arrive as a pyarrow table."""

    def __init__(self, database: str, schemas: Sequence[str]) -> None:
        self._connection = duckdb.connect(":memory:")
        self.execute(f"attach ':memory:' as \"{database}\"")
        self.execute(f'use "{database}"')
        self.execute("set TimeZone = 'UTC'")
        for schema in schemas:
            self.execute(f'create schema if not exists "{schema}"')

    def execute(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            raise SandboxError(str(error)) from error

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            rows = self._connection.execute(sql, params)
            return [column[0] for column in rows.description], rows.fetchall()
        except duckdb.Error as error:
            raise SandboxError(str(error)) from error

    def create_raw(self, relation: str, columns: Sequence[tuple[str, str]]) -> None:
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns)
        self.execute(f"create table {relation} ({listed})")

    def fill(self, relation: str, columns: Sequence[tuple[str, str]], rows: pa.Table) -> None:
        casts = ", ".join(f'cast("{name}" as {kind})' for name, kind in columns)
        self._connection.register("incoming", rows)
        try:
            self.execute(f"insert into {relation} select {casts} from incoming")
        finally:
            self._connection.unregister("incoming")

    def begin(self) -> None:
        self.execute("begin transaction")

    def rollback(self) -> None:
        self.execute("rollback")

    def close(self) -> None:
        self._connection.close()
