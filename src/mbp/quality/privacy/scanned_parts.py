"""What a reader of files gives the scanner: text, or the reason why it gives no text, within limits."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mbp.core.masking import mask
from mbp.quality.privacy.text_around import CsvTable, Table

# A file that unpacks to more than this is not an artifact of this project.
LARGEST_BYTES = 256 * 1024 * 1024
MOST_PARTS = 100_000
DEEPEST = 3
ROWS_PER_PART = 20_000


@dataclass(frozen=True)
class ScannedPart:
    """Text of a file, or of something in it.

    Attributes:
        table: the columns, where the text is rows of a table.
        repeats: the text was given before in another form; what was found there is not reported twice.
    """

    place: str
    text: str = field(repr=False)
    table: Table | None = None
    repeats: bool = False


@dataclass(frozen=True)
class Unread:
    """Bytes that were not read, or not all of them.

    Attributes:
        why: the reason, without anything of the content.
        fix: what to do about it.
        digest: equal for equal bytes; what an exception names.
    """

    place: str
    why: str
    fix: str
    digest: str


class Refused(Exception):  # noqa: N818 (it never leaves the readers of files)
    """A file cannot be read: the reason, and what to do about it."""

    def __init__(self, why: str, fix: str = "unpack it, or remove it") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix


@dataclass
class Budget:
    """What may still be unpacked of one file, in bytes and in pieces."""

    bytes: int = LARGEST_BYTES
    parts: int = MOST_PARTS

    def spend(self, size: int) -> None:
        """Counts what was unpacked.

        Raises:
            Refused: it is more than allowed.
        """
        self.bytes -= size
        self.parts -= 1
        if self.bytes < 0:
            raise Refused(f"it unpacks to more than {LARGEST_BYTES // 2**20} MiB", "split it")
        if self.parts < 0:
            raise Refused(f"it holds more than {MOST_PARTS:,} pieces", "split it")


def unread(place: str, data: bytes, why: str, fix: str = "unpack it, or remove it") -> Unread:
    """The refusal of these bytes."""
    return Unread(place, why, fix, str(mask(hashlib.sha256(data).hexdigest())))


def table_part(place: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> ScannedPart:
    """Rows as CSV, one a line, all cells quoted so that numbers of two cells are not joined."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([_one_line(name) for name in names])
    writer.writerows([_one_line(cell) for cell in row] for row in rows)
    content = text.getvalue()
    return ScannedPart(place, content, CsvTable(content, list(names)))


def _one_line(cell: str) -> str:
    return cell.replace("\r", " ").replace("\n", " ")
