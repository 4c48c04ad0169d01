"""The shape of a CSV file: every row has as many fields as the header, or the first that has not is reported.

The engine would tell a row too, but it numbers records instead of lines, takes one field too many
when it is empty, and its advice is about its own options.
"""

from __future__ import annotations

import csv
from pathlib import Path

from mbp.core.errors import MbpError

QUOTE = '"'


def read_header(path: Path, delimiter: str, shown: str) -> list[str]:
    """The header of a CSV file whose every row was found to have its number of fields.

    A column without a name is called by its position, from column0.

    Args:
        delimiter: one character between the fields.
        shown: the file's name in messages.

    Raises:
        MbpError: no header, a name twice, a row of another length, or text that is no CSV in UTF-8.
    """
    start = 1  # the line in which the row at hand begins: a quoted value may hold line ends
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=delimiter, quotechar=QUOTE, strict=True)
            header = _names(next(rows, []), shown)
            start = rows.line_num + 1
            for row in rows:
                if row and len(row) != len(header):
                    raise MbpError(
                        f"{_fields(len(row))}, the header has {len(header)}",
                        path=shown,
                        line=start,
                        fix=f"fix the row: {delimiter!r} inside of a value needs quotes ({QUOTE});"
                        " a file with another delimiter says so in the mapping",
                    )
                start = rows.line_num + 1
    except csv.Error as error:
        raise MbpError(
            f"not CSV: {error}",
            path=shown,
            line=start,
            fix=f"quote a value with {QUOTE} and write the quote twice where the value holds it",
        ) from error
    except UnicodeDecodeError as error:
        raise MbpError("not text in UTF-8", path=shown, fix="save it as UTF-8") from error
    except OSError as error:
        raise MbpError(
            f"cannot be read: {error.strerror}",
            path=shown,
            fix="make it readable for your user",
        ) from error
    return header


def _names(header: list[str], shown: str) -> list[str]:
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


def _fields(count: int) -> str:
    return f"{count} field{'' if count == 1 else 's'}"
