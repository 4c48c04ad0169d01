"""A first mapping for a folder, from its files; what was guessed is marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import duckdb

from mbp.contracts import Column, Contract
from mbp.contracts.raw_columns import logged
from mbp.core.errors import MbpError
from mbp.ingest.loading.column_values import NUMBERS, literal
from mbp.ingest.loading.csv_file import PACKED
from mbp.ingest.loading.outside_file import JSON
from mbp.warehouse import quote_identifier

TABULAR = (".csv", ".tsv", ".txt", ".parquet", *JSON)
# Names that are less alike are not the same thing.
LEAST_ALIKE = 0.6
# Seconds of the years 2001 to 2096; the other units are a thousand and a million times as much.
EPOCHS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
FIRST_SECOND, LAST_SECOND = 1_000_000_000, 4_000_000_000
TYPES = {"number": "number", "integer": "number", "timestamp": "instant", "date": "instant"}


@dataclass(frozen=True)
class Found:
    """One column of a file.

    Attributes:
        kind: number, instant or text.
        unique: every row has another value, and none is null.
    """

    name: str
    kind: str
    lowest: Any
    highest: Any
    null_percent: float
    unique: bool


def draft(folder: Path, contracts: Sequence[Contract]) -> str:
    """The text of a mapping.

    Raises:
        MbpError: no such folder, no file in it that can be read, or none that is like a table of ours.
    """
    if not folder.is_dir():
        raise MbpError("no such folder", path=folder, fix="name the folder of the data")
    files = {path: _look(path) for path in sorted(folder.iterdir()) if _suffix(path) in TABULAR}
    if not files:
        raise MbpError(
            "no CSV, JSON or Parquet file in it", path=folder, fix="name the folder of the data"
        )
    tables = [(log.table, contract) for contract, log in logged(contracts)]
    chosen: dict[str, Path] = {}
    for path, columns in files.items():
        score, table = max((_score(path, columns, name, of), name) for name, of in tables)
        if score >= LEAST_ALIKE and table not in chosen:
            chosen[table] = path
    if not chosen:
        raise MbpError(
            f"no file is like {', '.join(name for name, _ in tables)}",
            path=folder,
            fix="name a file after the table it belongs to, or write the mapping (docs/load_mapping.md)",
        )
    lines = [
        "# Drafted from the files. Check each line that says `guessed`, and give each absent fact its reason.",
        "version: 1",
        f"source: {re.sub(r'[^a-z0-9]+', '-', folder.resolve().name.lower()).strip('-') or 'source'}",
        "time_zone: UTC # guessed: of instants without a zone",
        "tables:",
    ]
    for name, contract in tables:
        if name in chosen:
            lines += _table(name, contract, chosen[name], files[chosen[name]])
    missing = [name for name, _ in tables if name not in chosen]
    if missing:
        lines.append("absent_tables:")
        lines += [f"  {name}: no file is like it # guessed: say why" for name in missing]
    unread = [path.name for path in files if path not in chosen.values()]
    lines += [f"# not read: {name}" for name in unread]
    return "\n".join(lines) + "\n"


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


def _look(path: Path) -> list[Found]:
    name = literal(str(path))
    suffix = _suffix(path)
    if suffix == ".parquet":
        reader = f"read_parquet({name})"
    elif suffix in JSON:
        reader = f"read_json_auto({name})"
    else:
        reader = f"read_csv({name}, sample_size = -1)"
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(f"summarize select * from {reader}").fetchall()
            total = int(rows[0][10]) if rows else 0
            unique = {
                row[0]: connection.execute(
                    f"select count(distinct {quote_identifier(row[0])}) from {reader}"
                ).fetchone()
                for row in rows
            }
    except duckdb.Error as error:
        raise MbpError(
            f"cannot be read: {str(error).splitlines()[0]}",
            path=path.name,
            fix="write the mapping by hand, with the dialect of the file (docs/load_mapping.md)",
        ) from error
    return [
        Found(row[0], _kind(row[1]), row[2], row[3], float(row[11]), unique[row[0]] == (total,))
        for row in rows
    ]


def _kind(data_type: str) -> str:
    if re.match(r"(TINY|SMALL|BIG|HUGE|U\w*)?INT|DECIMAL|DOUBLE|FLOAT", data_type):
        return "number"
    return "instant" if data_type.startswith(("TIMESTAMP", "DATE")) else "text"


def _alike(ours: str, theirs: str) -> float:
    """How alike two names are, from 0 to 1; the longer one may say more."""
    first, second = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (ours, theirs))
    if not first or not second:
        return 0.0
    if first.endswith(second) or second.endswith(first):
        return max(0.7, min(len(first), len(second)) / max(len(first), len(second)))
    return SequenceMatcher(None, first, second).ratio()


def _score(path: Path, columns: Sequence[Found], table: str, contract: Contract) -> float:
    """How like a table a file is: by its name, and by the columns of ours that are found in it."""
    name = _alike(table, path.name.split(".")[0])
    matches = [match for _, match, _ in _matches(contract, columns) if match is not None]
    return max(name, len(matches) / min(len(contract.logged_columns), len(columns)))


def _matches(
    contract: Contract, columns: Sequence[Found]
) -> Iterator[tuple[Column, Found | None, float]]:
    """Each column of ours with the column of theirs that is most like it; each of theirs once."""
    pairs = sorted(
        (
            (_alike(ours.name, theirs.name), ours.name, theirs.name)
            for ours in contract.logged_columns
            for theirs in columns
            if _fits(ours, theirs)
        ),
        reverse=True,
    )
    taken: dict[str, tuple[str, float]] = {}
    for score, ours, theirs in pairs:
        used = {name for name, _ in taken.values()}
        if score >= LEAST_ALIKE and ours not in taken and theirs not in used:
            taken[ours] = (theirs, score)
    by_name = {column.name: column for column in columns}
    moments = [column for column in contract.logged_columns if column.logical_type == "timestamp"]
    if moments and not any(column.name in taken for column in moments):
        used = {name for name, _ in taken.values()}
        left = [
            column for column in columns if column.kind == "instant" and column.name not in used
        ]
        required = [column for column in moments if column.required] or moments
        if left:
            taken[required[-1].name] = (left[0].name, 0.0)
    if contract.key.name not in taken:
        used = {name for name, _ in taken.values()}
        key = next(
            (column for column in columns if column.unique and column.name not in used), None
        )
        if key is not None:
            taken[contract.key.name] = (key.name, 0.0)
    for column in contract.logged_columns:
        name, score = taken.get(column.name, ("", 0.0))
        yield column, by_name.get(name), score


def _fits(ours: Column, theirs: Found) -> bool:
    wanted = TYPES.get(ours.logical_type, "text")
    if wanted == "instant":
        return theirs.kind == "instant" or (theirs.kind == "number" and _epoch(theirs) is not None)
    return wanted in ("text", theirs.kind)


def _epoch(column: Found) -> str | None:
    try:
        low, high = float(column.lowest), float(column.highest)
    except (TypeError, ValueError):
        return None
    for unit, factor in EPOCHS.items():
        if FIRST_SECOND * factor <= low and high <= LAST_SECOND * factor:
            return unit
    return None


def _value(ours: Column, theirs: Found) -> str:
    """What the mapping says of one column: the name, or how the value is made from it."""
    name = theirs.name if re.fullmatch(r"[A-Za-z_][\w.]*", theirs.name) else f'"{theirs.name}"'
    if ours.logical_type == "timestamp" and theirs.kind == "number":
        return f"{{column: {name}, epoch: {_epoch(theirs)}}}"
    most = ours.options.get("maximum", ours.options.get("exclusiveMaximum"))
    if ours.logical_type in NUMBERS and most is not None and theirs.kind == "number":
        highest = float(theirs.highest or 0)
        if float(most) < highest <= 100 * float(most):
            return f"{{column: {name}, scale: 0.01}}"
    return name


def _table(name: str, contract: Contract, path: Path, columns: Sequence[Found]) -> list[str]:
    matches = list(_matches(contract, columns))
    instants = [
        column.name
        for column, match, _ in matches
        if match is not None and column.logical_type == "timestamp"
    ]
    # The last instant of a row is most likely the one of its last change.
    changed = next((name for name in instants if "updated" in name or "changed" in name), None)
    changed = changed or (instants[-1] if instants else None)
    lines = [
        f"  {name}:",
        f"    file: {path.name}",
        f"    changed_at: {changed or 'no instant was found'} # guessed: our column that says when a row last changed",
        "    columns:",
    ]
    for column, match, score in matches:
        if match is not None:
            value = _value(column, match)
            sure = score == 1.0 and not value.startswith("{")
            seen = f"{match.lowest} to {match.highest}, {match.null_percent:g} % null"
            lines.append(f"      {column.name}: {value}{'' if sure else f' # guessed: {seen}'}")
    absent = [column.name for column, match, _ in matches if match is None]
    lines += [f"    # not found, so absent: {', '.join(absent)}"] if absent else []
    used = {match.name for _, match, _ in matches if match is not None}
    unused = [column.name for column in columns if column.name not in used]
    lines += [f"    # of the file, not used: {', '.join(unused)}"] if unused else []
    return lines
