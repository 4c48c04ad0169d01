"""The proof's sandbox on PostgreSQL: an empty database of a scratch server."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import psycopg2
import pyarrow as pa
from pyarrow import csv

from lab.proof.sandbox import SandboxError


class PostgresSandbox:
    """See `lab.proof.sandbox.Sandbox`; rows arrive as a pyarrow table.

    Args:
        connection: an open psycopg2 connection to a database that holds nothing; closed with this.
        schemas: schemas to create.
    """

    def __init__(self, connection: Any, schemas: Sequence[str]) -> None:
        self._connection = connection
        # Transactions are opened and closed in words, as on the other engine.
        self._connection.autocommit = True
        self.execute("set time zone 'UTC'")
        for schema in schemas:
            self.execute(f'create schema if not exists "{schema}"')

    def execute(self, statement: str) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error as error:
            raise SandboxError(str(error)) from error

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, params)
                return [column.name for column in cursor.description], list(cursor.fetchall())
        except psycopg2.Error as error:
            raise SandboxError(str(error)) from error

    def create_raw(self, relation: str, columns: Sequence[tuple[str, str]]) -> None:
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns)
        self.execute(f"create table {relation} ({listed})")

    def fill(self, relation: str, columns: Sequence[tuple[str, str]], rows: pa.Table) -> None:
        names = [name for name, _ in columns]
        text = rows.select(names).cast(pa.schema([(name, pa.string()) for name in names]))
        buffer = io.BytesIO()
        # Text is quoted and null is not: COPY distinguishes an empty string from a null by that.
        csv.write_csv(text, buffer, csv.WriteOptions(include_header=False, quoting_style="needed"))
        buffer.seek(0)
        listed = ", ".join(f'"{name}"' for name in names)
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(f"copy {relation} ({listed}) from stdin (format csv)", buffer)
        except psycopg2.Error as error:
            raise SandboxError(str(error)) from error

    def begin(self) -> None:
        self.execute("begin")

    def rollback(self) -> None:
        self.execute("rollback")

    def close(self) -> None:
        self._connection.close()
