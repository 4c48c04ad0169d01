"""The source: the market's PostgreSQL, its publication and slot, the snapshot and the stream."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extras import LogicalReplicationConnection

from mbp.core.errors import MbpError
from mbp.ingest.cdc.commit_order import Epoch
from mbp.ingest.cdc.source_tables import (
    Columns,
    SourceTable,
    demand_whole,
    read_tables,
    refusal_sql,
)
from mbp.warehouse import quote_identifier
from mbp.warehouse.connection import UnreachableError

PUBLICATION = "mbp_cdc"
SLOT = "mbp_cdc"
ROLE = "mbp_cdc_reader"
SCHEMA = "public"
APPLICATION = "mbp-cdc"
FAILOVER_SINCE = 170000
VARIABLES = ("HOST", "PORT", "USER", "PASSWORD", "DATABASE")
# Of every session at the source, whatever role, database, server and environment have set: how values are written, that
# rows which the role may not see are an error and not left out, and that nothing ends the session while it works.
SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "row_security": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@dataclass(frozen=True)
class MarketSource:
    """How the source is reached; the password is never shown."""

    host: str
    port: int
    user: str
    password: str | None
    database: str
    schema: str = SCHEMA

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}/{self.database}"

    def connect(self, *, replication: bool = False) -> Any:
        """An open connection; without a password libpq reads its passfile.

        Raises:
            MbpError: it cannot be reached.
        """
        try:
            connection = psycopg2.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=self.database,
                connect_timeout=10,
                application_name=APPLICATION,
                # Both ends notice within half a minute that the other one is not there any more.
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=30_000,
                # Before PGCLIENTENCODING; and the limits of the role end not even the statement that lifts them.
                client_encoding="UTF8",
                options="-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0",
                connection_factory=LogicalReplicationConnection if replication else None,
            )
            # Not as options: PGTZ and PGDATESTYLE of the environment would win, and older servers know fewer.
            with connection.cursor() as cursor:
                cursor.execute(
                    "select set_config(key, value, false) from jsonb_each_text(%s::jsonb)"
                    " join pg_settings on lower(name) = key",
                    [json.dumps(SETTINGS)],
                )
            connection.commit()
            return connection
        except psycopg2.OperationalError as error:
            reason = " ".join(str(error).split())
            raise UnreachableError(
                f"the source at {self.place} cannot be reached: {reason}",
                fix="check MBP_SOURCE_HOST, _PORT, _USER, _PASSWORD, _DATABASE and pg_hba.conf",
            ) from error

    @contextmanager
    def cursor(
        self, *, replication: bool = False, snapshot: Snapshot | None = None
    ) -> Iterator[Any]:
        """A cursor on a separate connection. Each statement commits, or all see what the snapshot shows.

        Raises:
            MbpError: as `connect`.
        """
        connection = self.connect(replication=replication)
        try:
            if not replication and snapshot is None:
                connection.autocommit = True
            with connection.cursor() as cursor:
                if snapshot is not None:
                    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                    cursor.execute("set transaction snapshot %s", [snapshot.name])
                yield cursor
        finally:
            connection.close()


def source_of_environment() -> MarketSource:
    """From MBP_SOURCE_HOST, _PORT, _USER, _PASSWORD, _DATABASE and _SCHEMA.

    Raises:
        MbpError: one that is needed is not set, or the port is not a number.
    """
    results = {name: os.environ.get(f"MBP_SOURCE_{name}") for name in VARIABLES}
    for name in ("HOST", "USER", "DATABASE"):
        if not results[name]:
            raise MbpError(f"MBP_SOURCE_{name} is not set", fix="say where the market's tables are")
    port = results["PORT"] or "5432"
    if not port.isdigit():
        raise MbpError(f"MBP_SOURCE_PORT is {port!r}", fix="write a number")
    return MarketSource(
        str(results["HOST"]),
        int(port),
        str(results["USER"]),
        results["PASSWORD"],
        str(results["DATABASE"]),
        os.environ.get("MBP_SOURCE_SCHEMA", SCHEMA),
    )


def setup_sql(captured: Iterable[str], schema: str = SCHEMA) -> list[str]:
    """What an administrator of the source runs in one transaction: a role that can read and replicate, and no more.
    Run again, also beside a running reader, it changes only what differs.

    Old rows are sent whole (replica identity full): an update of a row with a large untouched value, and a
    delete, then carry all columns. Its first statement refuses what cannot be captured.

    Args:
        captured: tables; with their columns, a contracted column that would not be sent is refused too.
    """
    tables = [f"{quote_identifier(schema)}.{quote_identifier(name)}" for name in captured]
    listed = ", ".join(tables)
    return [
        refusal_sql(
            captured if isinstance(captured, Mapping) else dict.fromkeys(captured, ()), schema
        ),
        f"do $$ begin create role {ROLE} login replication;"
        " exception when duplicate_object then null; end $$",
        f"grant usage on schema {quote_identifier(schema)} to {ROLE}",
        f"grant select on {listed} to {ROLE}",
        # Where it is so already, no lock of the table is waited for.
        *(
            f"do $$ begin if (select relreplident <> 'f' from pg_class where oid = '{quoted}'::regclass)"
            f" then alter table {name} replica identity full; end if; end $$"
            for name, quoted in ((name, name.replace("'", "''")) for name in tables)
        ),
        # Altered and not made again: a reader that runs goes on, and no change comes between. Options are set only
        # where they differ: a reader takes another version of the publication for a time without changes.
        f"do $$ begin if exists (select from pg_publication where pubname = '{PUBLICATION}')"
        f" then alter publication {PUBLICATION} set table {listed};"
        f" if exists (select from pg_publication where pubname = '{PUBLICATION}'"
        " and not (pubinsert and pubupdate and pubdelete and pubtruncate))"
        f" then alter publication {PUBLICATION} set (publish = 'insert, update, delete, truncate'); end if;"
        f" else create publication {PUBLICATION} for table {listed}; end if;"
        # Stored generated columns are sent from PostgreSQL 18 on, when asked for.
        " if current_setting('server_version_num')::int >= 180000 and exists (select from pg_publication as p"
        f" where pubname = '{PUBLICATION}' and to_jsonb(p) ->> 'pubgencols' <> 's') then"
        f" execute 'alter publication {PUBLICATION} set (publish_generated_columns = stored)'; end if; end $$",
    ]


def demand_ready(source: MarketSource) -> None:
    """Raises:
    MbpError: the source does not replicate logically.
    """
    with source.cursor() as cursor:
        cursor.execute("show wal_level")
        level = cursor.fetchone()[0]
    if level != "logical":
        raise MbpError(
            f"wal_level of {source.place} is {level!r}",
            fix="set wal_level = logical and restart the source",
        )


def source_tables(
    source: MarketSource, captured: Columns, snapshot: Snapshot | None = None
) -> dict[str, SourceTable]:
    """The captured tables, now or as of a snapshot.

    Raises:
        MbpError: what the log of one would show is not what the table is.
    """
    with source.cursor(snapshot=snapshot) as cursor:
        tables = read_tables(cursor, PUBLICATION, source.schema, captured)
    demand_whole(tables)
    return tables


def slot_state(source: MarketSource) -> dict[str, Any] | None:
    """The slot as the source sees it; None: there is none."""
    with source.cursor() as cursor:
        cursor.execute(
            "select active, wal_status, confirmed_flush_lsn - '0/0'::pg_lsn,"
            " pg_current_wal_lsn() - restart_lsn, database, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
            " from pg_replication_slots where slot_name = %s",
            [SLOT],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return {
        "active": row[0],
        "wal_status": row[1],
        "confirmed_lsn": None if row[2] is None else int(row[2]),
        "retained_bytes": None if row[3] is None else int(row[3]),
        "database": row[4],
        "end_lsn": int(row[5]),
    }


@dataclass(frozen=True)
class Snapshot:
    """The state of the tables at the very first position of a slot that was just created.

    Attributes:
        position: it has what was committed before it, and nothing else.
        slot: a temporary one, which ends with the connection.
        milliseconds: the source's clock before that, Unix time: no later commit is older.
    """

    position: int
    name: str
    slot: str
    milliseconds: int
    connection: Any

    def close(self) -> None:
        """Ends the connection that keeps the snapshot; the temporary slot goes with it."""
        self.connection.close()


def take_snapshot(source: MarketSource) -> Snapshot:
    """Exports a snapshot at the first position of a temporary slot: no gap and no overlap with the stream from there.

    The connection must stay open while the snapshot is read.
    """
    milliseconds = int(clock(source) * 1000)
    connection = source.connect(replication=True)
    slot = f"{SLOT}_snapshot_{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')"
        )
        _, point, exported, _ = cursor.fetchone()
    return Snapshot(lsn_number(point), exported, slot, milliseconds, connection)


def keep_slot(source: MarketSource, snapshot: Snapshot) -> None:
    """Makes the slot that continues a snapshot, in the place of one that is lost."""
    drop_slot(source)
    with source.cursor() as cursor:
        cursor.execute(
            "select pg_copy_logical_replication_slot(%s, %s, false)", [snapshot.slot, SLOT]
        )
        version = cursor.connection.server_version
    if version >= FAILOVER_SINCE:
        # Standbys that synchronize slots then have it too.
        with source.cursor(replication=True) as cursor:
            cursor.execute(f"ALTER_REPLICATION_SLOT {SLOT} (FAILOVER true)")


def epoch_of(source: MarketSource) -> Epoch:
    """Which history of LSNs the source writes now."""
    with source.cursor(replication=True) as cursor:
        cursor.execute("IDENTIFY_SYSTEM")
        system, timeline = cursor.fetchone()[:2]
    return Epoch(str(system), int(timeline))


def clock(source: MarketSource) -> float:
    """The source's clock, Unix time in seconds."""
    with source.cursor() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())")
        return float(cursor.fetchone()[0])


def drop_slot(source: MarketSource) -> None:
    """Drops the slot, if it is there; the source then keeps no log for it any more."""
    with source.cursor() as cursor:
        cursor.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
            " where slot_name = %s and not active",
            [SLOT],
        )


def snapshot_rows(
    source: MarketSource, snapshot: Snapshot, table: str, columns: Sequence[str], size: int = 20_000
) -> Iterator[list[tuple[str | None, ...]]]:
    """Rows of a table as text, as of the snapshot, in parts."""
    listed = ", ".join(f"{quote_identifier(name)}::text" for name in columns)
    place = f"{quote_identifier(source.schema)}.{quote_identifier(table)}"
    with (
        source.cursor(snapshot=snapshot) as seeing,
        seeing.connection.cursor(name="mbp_cdc_snapshot") as cursor,
    ):
        cursor.itersize = size
        cursor.execute(f"select {listed} from {place}")
        while rows := cursor.fetchmany(size):
            yield rows


def lsn_number(text: str) -> int:
    """'16/B374D848' as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
