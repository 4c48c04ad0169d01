"""The shape of a CSV file: its header, and why it could not be read.

DuckDB reads it. Its errors number records instead of lines, and its advice is about its own options; so a file that
it refuses is read once more, to name the line of the first row that has another length than the header.
"""

from __future__ import annotations

import csv
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from mbp.core.errors import MbpError

PACKED = {".gz": "gzip", ".zst": "zstd"}
LONGEST_FIELD = 1 << 30  # the engine has its own limit, and reports it


def read_header(path: Path, delimiter: str, quote: str, encoding: str, shown: str) -> list[str]:
    """The names in the first row of a file; none in a file without anything.

    A column without a name is called by its position, from column0.

    Raises:
        MbpError: no header, a name twice, or text that is no CSV in its encoding.
    """
    try:
        with opened(path, encoding) as file:
            header = next(csv.reader(file, delimiter=delimiter, quotechar=quote), None)
    except (csv.Error, UnicodeError, OSError):
        explain(path, delimiter, quote, encoding, shown)
        raise
    if header is None:
        return []
    if not any(header):
        raise MbpError(
            "no header", path=shown, line=1, fix="give the names of the columns in the first line"
        )
    names = [name or f"column{position}" for position, name in enumerate(header)]
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:  # names of columns do not tell the cases apart
            raise MbpError(
                f"the header has {name!r} twice",
                path=shown,
                line=1,
                fix="give every column its own name",
            )
        seen.add(name.lower())
    return names


def explain(path: Path, delimiter: str, quote: str, encoding: str, shown: str) -> None:
    """Raises the error of the first row that is out of shape; nothing when each has its shape.

    Raises:
        MbpError: a row of another length, or text that is no CSV in its encoding.
    """
    csv.field_size_limit(LONGEST_FIELD)
    start = 1  # the line in which the row at hand begins: a quoted value may hold line ends
    try:
        with opened(path, encoding) as file:
            rows = csv.reader(file, delimiter=delimiter, quotechar=quote, strict=True)
            header = next(rows, [])
            start = rows.line_num + 1
            for row in rows:
                if row and len(row) != len(header):
                    raise MbpError(
                        f"{_fields(len(row))}, the header has {len(header)}",
                        path=shown,
                        line=start,
                        fix=f"fix the row: {delimiter!r} inside of a value needs quotes ({quote});"
                        " a file with another delimiter says so in the mapping",
                    )
                start = rows.line_num + 1
    except csv.Error as error:
        raise MbpError(
            f"not CSV: {error}",
            path=shown,
            line=start,
            fix=f"quote a value with {quote} and write the quote twice where the value holds it",
        ) from error
    except UnicodeError as error:
        raise MbpError(
            f"not text in {encoding.removesuffix('-sig').upper()}",
            path=shown,
            fix="save it as UTF-8, or give its `encoding` in the mapping",
        ) from error
    except OSError as error:
        raise MbpError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}",
            path=shown,
            fix="make it readable for your user",
        ) from error


def rewritten(path: Path, delimiter: str, quote: str, encoding: str, scratch: Path) -> Path:
    """A copy with one kind of line end, for the engine, which takes no mixture of them."""
    copy = scratch / f"rewritten-{len(list(scratch.iterdir()))}.csv"
    with (
        opened(path, encoding) as source,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        for row in csv.reader(source, delimiter=delimiter, quotechar=quote):
            fields = [f"{quote}{field.replace(quote, quote * 2)}{quote}" for field in row]
            target.write(delimiter.join(fields) + "\n" if row else "")
    return copy


def opened(path: Path, encoding: str) -> IO[str]:
    """A text file, packed or not, with its line ends as they are."""
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    if path.suffix.lower() in PACKED:
        return TextIOWrapper(unpacked(path), encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def unpacked(path: Path) -> Any:
    """The bytes of a packed file."""
    import pyarrow as pa

    return pa.input_stream(str(path), compression=PACKED[path.suffix.lower()])


def demand_whole(path: Path, shown: str) -> None:
    """Raises when a packed file is not whole: the engine reads what is there, and its last value may be a part of one.

    Raises:
        MbpError: it does not end as its packer ends it, or is not packed.
    """
    try:
        with unpacked(path) as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        raise MbpError(
            f"cannot be unpacked: {error}", path=shown, fix="copy or download it again"
        ) from error


def _fields(count: int) -> str:
    return f"{count} field{'' if count == 1 else 's'}"
