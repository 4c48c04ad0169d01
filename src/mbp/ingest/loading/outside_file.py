"""One outside file as a relation of DuckDB: CSV of any dialect, JSON, or Parquet, packed or not."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from mbp.core.errors import MbpError
from mbp.core.paths import inside
from mbp.core.sql_guard import demand_query
from mbp.ingest.loading.column_values import Reader, literal
from mbp.ingest.loading.csv_file import (
    PACKED,
    demand_whole,
    explain,
    opened,
    read_header,
    rewritten,
)
from mbp.ingest.loading.mapping import TableMapping
from mbp.warehouse import quote_identifier

JSON = (".json", ".jsonl", ".ndjson")
ENCODINGS = ("utf-8", "utf-16", "latin-1")  # that DuckDB reads by itself
SHORTEST_BUFFER, LONGEST_BUFFER = 16 << 20, 100 << 20  # bytes of one JSON record
OF_ALL = "$."  # a path that begins so starts at the record, and not at the row inside of it


@dataclass(frozen=True)
class Source:
    """A file that can be read.

    Attributes:
        relation: SQL that goes into a `from`.
        read: SQL of the text of a column of theirs in it.
        columns: their names; None where a record may have any (JSON).
        explain: raises a better error than the engine's, where one is known.
        copied: the same rows in a file that any reader takes; None where no copy can be made.
    """

    relation: str
    read: Reader
    columns: Sequence[str] | None
    explain: Callable[[], None]
    copied: Callable[[], Source] | None = None


def files_of(folder: Path, mapping: TableMapping, mapping_path: str) -> list[Path]:
    """The files of a table, in the order of their names.

    Args:
        folder: the folder of the data, or the one file of it.

    Raises:
        MbpError: none is there, or the mapping names none.
    """
    if folder.is_file() or not mapping.files:
        if folder.is_file() and not mapping.files:
            return [folder]
        raise MbpError(
            f"{mapping.table}: a single file was named, and the mapping names another"
            if mapping.files
            else f"{mapping.table}: no `file`",
            path=mapping_path,
            line=mapping.line,
            fix="name the folder and give `file` for each table, or one file and no `file`",
        )
    paths: list[Path] = []
    for name in mapping.files:
        plain = inside(folder, name, path=mapping_path, line=mapping.line)
        matches = [plain] if plain.is_file() else sorted(folder.glob(name))
        matches = [path for path in matches if path.is_file()]
        if not matches:
            raise MbpError(
                f"{name} is not in the folder",
                path=mapping_path,
                line=mapping.line,
                fix="check the folder and the key `file`",
            )
        paths += [path for path in matches if path not in paths]
    return paths


def open_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    mapping: TableMapping,
    mapping_path: str,
    scratch: Path,
) -> Source | None:
    """How to read one file; None where it is empty.

    Args:
        scratch: a folder for a copy in an encoding that the engine reads.

    Raises:
        MbpError: it cannot be read, or what the mapping says does not fit it.
    """
    suffix = path.suffix.lower()
    if suffix in PACKED:
        demand_whole(path, path.name)
        suffix = Path(path.stem).suffix.lower()
    source: Source | None
    if suffix == ".parquet":
        source = _parquet(connection, path, mapping)
    elif suffix in JSON:
        source = _json(connection, path, mapping, mapping_path)
    else:
        source = _csv(path, mapping, mapping_path, scratch)
    if source is not None and "sql" in mapping.reading:
        source = _query(connection, source, mapping, mapping_path)
    return source


def _csv(path: Path, mapping: TableMapping, mapping_path: str, scratch: Path) -> Source | None:
    shown = path.name
    delimiter = mapping.reading.get("delimiter", ",")
    quote = mapping.reading.get("quote", '"')
    encoding = _known_encoding(mapping, mapping_path)
    if encoding not in ENCODINGS:
        path, encoding = _recoded(path, encoding, scratch), "utf-8"
    file = literal(str(path))
    common = f"encoding = {literal(encoding)}, auto_detect = false, {packing(path)}"
    header = read_header(path, delimiter, quote, encoding, shown)
    if not header:
        return None
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in header)
    relation = (
        f"read_csv({file}, header = true, columns = {{{columns}}}, delim = {literal(delimiter)},"
        f" quote = {literal(quote)}, escape = {literal(quote)}, {common})"
    )

    def copied() -> Source:
        copy = rewritten(path, delimiter, quote, encoding, scratch)
        plain = relation.replace(file, literal(str(copy)), 1).replace(packing(path), packing(copy))
        return replace(source, relation=plain, copied=None)

    source = Source(
        relation,
        lambda column: _or_null(quote_identifier(column), mapping),
        header,
        lambda: explain(path, delimiter, quote, encoding, shown),
        copied if encoding == "utf-8" else None,
    )
    return source


def packing(path: Path) -> str:
    """The option of a reader that says how a file is packed."""
    return f"compression = {literal(PACKED.get(path.suffix.lower(), 'uncompressed'))}"


def _or_null(text: str, mapping: TableMapping) -> str:
    """The text, or null where it is a word for nothing; an empty text is one unless others are named."""
    nulls = mapping.reading.get("null_tokens") or [""]
    if nulls == [""]:
        return f"nullif({text}, '')"
    return f"case when {text} in ({', '.join(literal(token) for token in nulls)}) then null else {text} end"


def _known_encoding(mapping: TableMapping, mapping_path: str) -> str:
    given = str(mapping.reading.get("encoding", "utf-8"))
    try:
        name = codecs.lookup(given).name
    except LookupError as error:
        raise MbpError(
            f"{mapping.table}: unknown encoding {given!r}",
            path=mapping_path,
            line=mapping.line,
            fix="use a name such as utf-8, latin-1 or windows-1252",
        ) from error
    return {"iso8859-1": "latin-1"}.get(name, name)


def _recoded(path: Path, encoding: str, scratch: Path) -> Path:
    copy = scratch / f"recoded-{len(list(scratch.iterdir()))}.csv"
    try:
        with (
            opened(path, encoding) as source,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            while text := source.read(1 << 20):
                target.write(text)
    except (UnicodeError, OSError) as error:
        raise MbpError(
            f"not text in {encoding}", path=path.name, fix="give its `encoding` in the mapping"
        ) from error
    return copy


def _json(
    connection: duckdb.DuckDBPyConnection, path: Path, mapping: TableMapping, mapping_path: str
) -> Source:
    rows = mapping.reading.get("rows")
    # Each thread takes twice this memory.
    longest = min(max(path.stat().st_size, SHORTEST_BUFFER), LONGEST_BUFFER)
    limit = f"maximum_object_size = {longest}, {packing(path)}"
    objects = f"read_json_objects({literal(str(path))}, {limit})"
    relation = f"(select json as record, json as item from {objects})"
    if rows:
        _demand_lists(connection, objects, mapping, mapping_path, path.name)
        items = f"unnest(json_extract(json, {literal(f'{_path(rows)}[*]')}))"
        relation = f"(select json as record, {items} as item from {objects})"

    def read(column: str) -> str:
        start = "record" if column.startswith(OF_ALL) else "item"
        path_in_it = literal(_path(column.removeprefix(OF_ALL)))
        return _or_null(f"json_extract_string({start}, {path_in_it})", mapping)

    return Source(relation, read, None, lambda: None)


def _demand_lists(
    connection: duckdb.DuckDBPyConnection,
    objects: str,
    mapping: TableMapping,
    mapping_path: str,
    shown: str,
) -> None:
    """The `rows` of a record are a list; a record may have none, but not all of them."""
    rows = str(mapping.reading["rows"])
    first = rows.partition("[*]")[0]  # of lists inside of lists, the outer one
    kind = f"coalesce(json_type(json, {literal(_path(first))}), 'NULL')"
    try:
        kinds = connection.execute(f"select distinct {kind} from {objects}").fetchall()
    except duckdb.Error as error:
        raise unreadable(error, shown) from error
    names = {name for (name,) in kinds}
    if names - {"ARRAY", "NULL"} or names == {"NULL"}:
        raise MbpError(
            f"{mapping.table}: rows: {first!r} is no list in "
            + (f"any record of {shown}" if names == {"NULL"} else f"each record of {shown}"),
            path=mapping_path,
            line=mapping.line,
            fix="give the path of the list; a list inside of a list is written `outer[*].inner`",
        )


def _path(name: str) -> str:
    """`trade.id` as a path of DuckDB's JSON functions."""
    parts = []
    for part in name.split("."):
        key, bracket, index = part.partition("[")
        parts.append(f'."{key}"{bracket}{index}' if key else f"{bracket}{index}")
    return "$" + "".join(parts)


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, mapping: TableMapping) -> Source:
    rows = mapping.reading.get("rows")
    relation = f"read_parquet({literal(str(path))})"
    try:
        described = connection.execute(f"describe select * from {relation}").fetchall()
        if rows:
            relation = (
                f"(select file as record, unnest({_fields(rows)}) as item from {relation} as file)"
            )
        names = [] if rows else [row[0] for row in described]
        blobs = {row[0] for row in described if row[1] == "BLOB"}
    except duckdb.Error as error:
        raise unreadable(error, path.name) from error

    def read(column: str) -> str:
        if rows:
            start = "record" if column.startswith(OF_ALL) else "item"
            text = f"{start}.{_fields(column.removeprefix(OF_ALL))}"
        else:
            text = quote_identifier(column) if column in names else _fields(column)
            if column in blobs:  # older writers do not say that their bytes are a text
                text = f"decode({text})"
        return f"nullif(cast({text} as varchar), '')"

    nested = [row[0] for row in described if str(row[1]).startswith("STRUCT")]
    return Source(relation, read, None if rows or nested else names, lambda: None)


def _fields(name: str) -> str:
    return ".".join(quote_identifier(part) for part in name.split("."))


def _query(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: TableMapping,
    mapping_path: str,
) -> Source:
    sql = mapping.reading["sql"]
    demand_query(
        sql,
        "duckdb",
        path=mapping_path,
        line=mapping.line,
        fix="write one query over `file` that only reads",
    )
    relation = f"(with file as (select * from {source.relation}) select * from ({sql}))"
    try:
        described = connection.execute(f"describe select * from {relation}").fetchall()
    except duckdb.Error as error:
        raise MbpError(
            f"{mapping.table}: sql cannot run: {str(error).splitlines()[0]}",
            path=mapping_path,
            line=mapping.line,
            fix=f"query `file`{'' if source.columns is None else ', with ' + ', '.join(source.columns)}",
        ) from error
    return Source(
        relation,
        lambda column: f"nullif(cast({quote_identifier(column)} as varchar), '')",
        [row[0] for row in described],
        source.explain,
    )


def unreadable(error: duckdb.Error, shown: str) -> MbpError:
    lines = str(error).splitlines()
    what = next((line for line in lines if line.startswith("Maximum line size")), lines[0])
    return MbpError(
        f"cannot be read: {what}",
        path=shown,
        fix="check columns, `rows` and `format` in the mapping, or write the file again: CSV, JSON or Parquet",
    )
