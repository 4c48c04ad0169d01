"""Outside files as typed rows and rejects, in a separate DuckDB file beside the warehouse.

`judged_<table>` holds every row in the order of the files: our columns, the first reason against it or null, and what
was changed on it. `staged_<table>` is the view of what can be loaded: key, columns, position, version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mbp.contracts import Contract
from mbp.core.errors import MbpError
from mbp.ingest.loading.column_values import (
    NUMBERS,
    ColumnValue,
    chosen,
    column_value,
    filling_of,
    literal,
    text_of,
)
from mbp.ingest.loading.mapping import TableMapping
from mbp.ingest.loading.outside_file import Source, open_file, unreadable
from mbp.warehouse import quote_identifier

EPOCH_YEAR = 1970
LATE_YEAR = 2200
LEFT_OUT = ""  # in place of a reason: `keep` or `drop_null` does not take the row


@dataclass
class Staged:
    """One table, staged.

    Attributes:
        read, rejected, repeated: rows; a repeated one has the same content as an earlier one.
        rounded: decimals and fractions of a second that lost places: column -> rows.
        filled: gaps filled by `when_null`: column -> rows.
        files: name and the number of rows before its first.
        left_out: rows that `keep` or `drop_null` does not take.
        known: the files were loaded before, and not read again.
        implausible: what is strange about the values of a column, in words.
    """

    read: int
    rejected: int = 0
    repeated: int = 0
    left_out: int = 0
    known: bool = False
    implausible: list[str] = field(default_factory=list)
    rounded: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    files: list[tuple[str, int]] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Rows that can be loaded."""
        return self.read - self.rejected - self.repeated - self.left_out

    def place(self, position: int) -> tuple[str, int]:
        """The file and the row in it, from 1, of a row of `judged_<table>`."""
        name, before = next(
            (name, before) for name, before in reversed(self.files) if position >= before
        )
        return name, position - before + 1


class Staging:
    """The tables of one mapping in one connection.

    Args:
        connection: to a scratch database; its time zone is UTC.
        scratch: a folder for what cannot be read as it is.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, scratch: Path, mapping_path: str, zone: str
    ) -> None:
        self.connection = connection
        self._scratch = scratch
        self._mapping_path = mapping_path
        self._zone = zone
        self.staged: dict[str, Staged] = {}
        self._sources: dict[str, list[tuple[str, int, Source]]] = {}

    def stage(
        self,
        paths: Sequence[Path],
        mapping: TableMapping,
        contract: Contract,
        known: int | None = None,
    ) -> None:
        """Reads the files of a table and judges each row by itself and against others of its key.

        Args:
            known: the number of their rows, where all are in the log already and none need be read.

        Raises:
            MbpError: a file or a column of it is missing, or it cannot be read.
        """
        table = mapping.table
        names = ", ".join(
            f"{quote_identifier(column.name)} {column_type(column)}"
            for column in contract.logged_columns
        )
        self._run(f"create table judged_{table} ({names}, reason varchar, marks bigint)")
        staged = Staged(0)
        self.staged[table] = staged
        self._sources[table] = []
        values: list[ColumnValue] = []
        for path in paths if known is None else ():
            source = open_file(self.connection, path, mapping, self._mapping_path, self._scratch)
            staged.files.append((path.name, staged.read))
            if source is None:
                continue
            self._demand_columns(source, mapping, path)
            values = [
                column_value(column, mapping, self._zone, source.read)
                for column in contract.logged_columns
            ]
            source = self._judge(source, mapping, values, path.name)
            self._sources[table].append((path.name, staged.read, source))
            staged.read = self._count(f"judged_{table}")
        staged.left_out = self._count(f"judged_{table} where reason = {literal(LEFT_OUT)}")
        if known is not None:
            staged.read, staged.known = known, True
            staged.files = [(path.name, 0) for path in paths]
        self._same_keys(mapping, contract, staged)
        self._count_marks(table, values, staged)
        staged.implausible = list(self._implausible(mapping, contract, staged))

    def _judge(
        self, source: Source, mapping: TableMapping, values: Sequence[ColumnValue], shown: str
    ) -> Source:
        """Fills the table of judged rows; from a copy, if the engine cannot read a file that has the right shape."""
        into = f"insert into judged_{mapping.table}"
        try:
            self._run(f"{into} {_judged(source, mapping, values)}")
            return source
        except duckdb.Error as error:
            source.explain()
            copy = source.copied() if source.copied else None
            if copy is None:
                raise unreadable(error, shown) from error
        try:
            self._run(f"{into} {_judged(copy, mapping, values)}")
        except duckdb.Error as error:
            raise unreadable(error, shown) from error
        return copy

    def _demand_columns(self, source: Source, mapping: TableMapping, path: Path) -> None:
        if source.columns is None:
            return
        if any(theirs not in source.columns for _, theirs in wanted(mapping)):
            source.explain()  # another delimiter, say, makes other columns
        for ours, theirs in wanted(mapping):
            if theirs not in source.columns:
                raise MbpError(
                    f"{path.name} has no column {theirs!r}, which {mapping.table}.{ours} names",
                    path=self._mapping_path,
                    line=mapping.lines.get(ours, mapping.line),
                    fix=f"its columns are {', '.join(source.columns)}",
                )

    def _same_keys(self, mapping: TableMapping, contract: Contract, staged: Staged) -> None:
        """Rows of one key are its versions, in the order of `changed_at`; two at one instant contradict each other."""
        table = mapping.table
        key, changed = quote_identifier(contract.key.name), quote_identifier(mapping.changed_at)
        content = ", ".join(quote_identifier(column.name) for column in contract.logged_columns)
        self._run(
            f"create table versions_{table} as"
            f" with several as (select {key} from judged_{table} where reason is null"
            f" group by all having count(*) > 1),"
            f" alike as (select rowid as id, {key} as key, {changed} as changed,"
            f" row_number() over (partition by {content} order by rowid) as copy,"
            f" first_value(rowid) over (partition by {key}, {changed} order by rowid) as first"
            f" from judged_{table} semi join several using ({key}) where reason is null)"
            " select id, key, copy > 1 as repeated, copy = 1 and first <> id as contradicts, first,"
            " row_number() over (partition by key, copy = 1 and first = id order by changed, id) as version,"
            " cast(null as bigint) as position from alike"
        )
        # The places of a key's rows in the log, handed out in the order of its versions.
        self._run(
            f"update versions_{table} as mine set position = place.id"
            f" from (select key, id, row_number() over (partition by key order by id) as version"
            f" from versions_{table} where not repeated and not contradicts) as place"
            " where mine.key = place.key and mine.version = place.version"
            " and not mine.repeated and not mine.contradicts"
        )
        for position, first in self._rows(
            f"select id, first from versions_{table} where contradicts order by id"
        ):
            name, row = staged.place(first)
            other = "" if name == staged.place(position)[0] else f" of {name}"
            reason = f"{contract.key.name}: duplicate key, first in row {row}{other}"
            self.reject(table, f"rowid = {position}", literal(reason))
        staged.repeated = self._count(f"versions_{table} where repeated")
        columns = ", ".join(
            f"judged.{quote_identifier(column.name)}" for column in contract.logged_columns
        )
        self._run(
            f"create view staged_{table} as select {columns},"
            " coalesce(versions.position, judged.rowid) + 1 as source_position,"
            " coalesce(versions.version, 1) as version"
            f" from judged_{table} as judged left join versions_{table} as versions on versions.id = judged.rowid"
            " where judged.reason is null and coalesce(not versions.repeated, true)"
        )
        staged.rejected = self._count(f"judged_{table} where reason <> ''")

    def reject(self, table: str, condition: str, reason: str) -> None:
        """Rejects further rows.

        Args:
            condition: over `judged_<table>`.
            reason: an SQL expression.
        """
        self._run(
            f"update judged_{table} set reason = {reason} where reason is null and {condition}"
        )
        self.staged[table].rejected = self._count(f"judged_{table} where reason <> ''")

    def rejects(self, table: str) -> Iterator[tuple[str, int, str, str]]:
        """File, row in it, column and reason of each rejected row."""
        for position, reason in self._rows(
            f"select rowid, reason from judged_{table} where reason <> '' order by rowid"
        ):
            name, row = self.staged[table].place(position)
            yield name, row, reason.partition(":")[0], reason

    def originals(self, mapping: TableMapping) -> Iterator[tuple[str, int, str]]:
        """File, row and the mapped columns of theirs, as JSON, of each rejected row."""
        table = mapping.table
        for name, before, source in self._sources[table]:
            used = sorted({theirs for _, theirs in wanted(mapping)})
            pairs = ", ".join(f"{literal(theirs)}, {source.read(theirs)}" for theirs in used)
            rows = (
                f"select row_number() over () + {before - 1} as id, json_object({pairs}) as original"
                f" from {source.relation}"
            )
            for position, original in self._rows(
                f"select id, original from ({rows}) as file join judged_{table} as judged"
                " on judged.rowid = file.id where judged.reason <> '' order by id"
            ):
                yield name, position - before + 1, original

    def _count_marks(self, table: str, values: Sequence[ColumnValue], staged: Staged) -> None:
        marks = list(_marks(values))
        if not marks:
            return
        sums = ", ".join(f"sum((marks >> {bit}) & 1)" for bit in range(len(marks)))
        (counts,) = self._rows(f"select {sums} from judged_{table} where reason is null")
        for (kind, column, _), count in zip(marks, counts, strict=True):
            if count:
                getattr(staged, kind)[column] = int(count)

    def _implausible(
        self, mapping: TableMapping, contract: Contract, staged: Staged
    ) -> Iterator[str]:
        """Columns of theirs without any value, numbers out of the bounds of the contract, and dates of 1970."""
        if staged.read and staged.left_out == staged.read:
            yield "keep: leaves out every row"
        mapped = [column for column in contract.logged_columns if column.name in mapping.values]
        if staged.known or not staged.accepted or not mapped:
            return
        parts = [
            f"{function}({quote_identifier(column.name)})"
            for column in mapped
            for function in ("count", "min", "max")
        ]
        (row,) = self._rows(
            f"select {', '.join(parts)} from judged_{mapping.table} where reason is null"
        )
        for place, column in enumerate(mapped):
            count, low, high = row[3 * place : 3 * place + 3]
            if not count:
                yield f"{column.name}: null in every row"
            elif column.logical_type == "timestamp" and low.year <= EPOCH_YEAR:
                yield f"{column.name}: begins in {low.year}, as an empty or wrongly scaled instant does"
            elif column.logical_type == "timestamp" and high.year >= LATE_YEAR:
                yield f"{column.name}: ends in {high.year}, as a wrongly scaled instant does"
            elif column.logical_type in NUMBERS and _outside(low, high, column.options):
                yield f"{column.name}: from {low} to {high}, and the contract bounds it: {_bounds(column.options)}"

    def first_rows(self, table: str, most: int) -> list[tuple[Any, ...]]:
        """The first rows as they would be loaded."""
        return self._rows(
            f"select * exclude (source_position, version) from staged_{table} order by source_position limit {most}"
        )

    def _run(self, sql: str) -> None:
        self.connection.execute(sql)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def _count(self, relation: str) -> int:
        return int(self._rows(f"select count(*) from {relation}")[0][0])


def wanted(mapping: TableMapping) -> Iterator[tuple[str, str]]:
    """Ours and theirs, for each column of theirs that is read."""
    for ours, value in mapping.values.items():
        for theirs in value.columns:
            yield ours, theirs
    for ours, (stand_in, _, _) in mapping.absent.items():
        if stand_in:
            yield ours, stand_in
    for ours, gap in mapping.when_null.items():
        for theirs in (*([gap.column] if gap.column else []), *gap.where):
            yield ours, theirs
    for theirs in mapping.reading.get("keep", {}):
        yield "keep", theirs


def _bounds(options: Mapping[str, Any]) -> str:
    named = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    return ", ".join(f"{name} {options[name]}" for name in named if name in options)


def _outside(low: Any, high: Any, options: Mapping[str, Any]) -> bool:
    return (
        ("minimum" in options and low < options["minimum"])
        or ("exclusiveMinimum" in options and low <= options["exclusiveMinimum"])
        or ("maximum" in options and high > options["maximum"])
        or ("exclusiveMaximum" in options and high >= options["exclusiveMaximum"])
    )


def column_type(column: Any) -> str:
    """The type of a staged column; texts of any length."""
    return "varchar" if column.logical_type == "string" else str(column.physical_type)


def _judged(source: Source, mapping: TableMapping, values: Sequence[ColumnValue]) -> str:
    """Every row of a file: typed columns, the first reason against it in the order of the columns, marks."""
    texts = ", ".join(f"{value.text} as {text_of(value.column)}" for value in values)
    typed = ", ".join(f"{value.typed} as {quote_identifier(value.column.name)}" for value in values)
    names = ", ".join(quote_identifier(value.column.name) for value in values)
    reasons = []
    for value in values:
        if value.filling:
            texts += f", {value.filling} as {filling_of(value.column)}"
    if "keep" in mapping.reading:
        texts += f", {chosen(mapping.reading['keep'], source.read)} as kept"
        reasons.append(f"when not kept then {literal(LEFT_OUT)}")
    reasons += [
        f"when {value.given} is null then {literal(LEFT_OUT)}"
        for value in values
        if value.column.name in mapping.reading.get("drop_null", ())
    ]
    for value in values:
        name, text = value.column.name, value.given
        if value.placeholder:
            continue
        if value.column.required:
            reasons.append(
                f"when {text} is null then {literal(f'{name}: null in a required column')}"
            )
        elif name == mapping.changed_at:
            reasons.append(
                f"when {text} is null then {literal(f'{name}: null, and it orders the versions')}"
            )
        for wrong, why in value.wrong:
            reasons.append(
                f"when {wrong} then {literal(f'{name}: a local time that {why}: ')} || {text}"
            )
        if value.expected:
            reasons.append(
                f"when {text} is not null and {quote_identifier(name)} is null"
                f" then {literal(f'{name}: not {value.expected}: ')} || {text}"
            )
        else:  # PostgreSQL stores none
            reasons.append(
                f"when contains({text}, chr(0)) then {literal(f'{name}: holds the character NUL')}"
            )
    bits = [
        f"(case when {noted} then {1 << bit} else 0 end)"
        for bit, (_, _, noted) in enumerate(_marks(values))
    ]
    return (
        f"select {names}, case {' '.join(reasons)} end as reason, {' + '.join(bits) or '0'} as marks"
        f" from (select *, {typed} from (select {texts} from {source.relation}))"
    )


def _marks(values: Sequence[ColumnValue]) -> Iterator[tuple[str, str, str]]:
    """What is noted of each row: attribute of `Staged`, column, condition."""
    for value in values:
        if value.rounded:
            yield "rounded", value.column.name, value.rounded
        if value.filled:
            yield "filled", value.column.name, value.filled
