"""Cells of a CSV for people: none of them is a formula to the spreadsheet that opens it.

Source: OWASP, "CSV Injection". Numbers stay numbers, also negative ones.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from unicodedata import normalize

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def cell(value: object) -> object:
    """A text that a spreadsheet would run gets an apostrophe before it, which shows it as text."""
    # Compatibility forms too: a full-width equals sign begins a formula as well.
    if isinstance(value, str) and normalize("NFKC", value).lstrip(" ").startswith(FORMULA):
        return value if NUMBER.fullmatch(value) else f"'{value}"
    return value


def csv_for_people(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV after RFC 4180 with unix line ends, and no formula in it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(name) for name in columns])
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()
