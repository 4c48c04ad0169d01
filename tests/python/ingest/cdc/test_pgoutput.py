"""Replication messages: what is not understood or is cut short is refused, never skipped."""

from __future__ import annotations

import struct

import pytest

from mbp.core.errors import MbpError
from mbp.ingest.cdc.market_source import lsn_number, source_of_environment
from mbp.ingest.cdc.pgoutput import UNCHANGED, Begin, Commit, Note, RowChange, Truncate, decode


def text(value: str) -> bytes:
    return b"t" + struct.pack(">I", len(value.encode())) + value.encode()


def row(*values: bytes) -> bytes:
    return struct.pack(">H", len(values)) + b"".join(values)


NEW = row(text("é"), b"n", b"u")


def test_every_kind_of_row_is_read() -> None:
    relation = struct.pack(">I", 7)
    whole = ("é", None, UNCHANGED)
    assert decode(b"I" + relation + b"N" + NEW) == RowChange("c", 7, None, whole)
    assert decode(b"U" + relation + b"N" + NEW) == RowChange("u", 7, None, whole)
    assert decode(b"U" + relation + b"O" + NEW + b"N" + NEW) == RowChange("u", 7, whole, whole)
    assert decode(b"D" + relation + b"O" + NEW) == RowChange("d", 7, whole, None)
    assert decode(b"M" + struct.pack(">BQ", 1, 5) + b"mbp_cdc\0" + struct.pack(">I", 0)) == Note(
        "mbp_cdc"
    )
    assert decode(b"T" + struct.pack(">IBII", 2, 0, 7, 8)) == Truncate((7, 8))


def test_instants_count_from_1970() -> None:
    assert decode(b"B" + struct.pack(">QqI", 5, 0, 1)) == Begin(5, 946_684_800_000_000)
    assert decode(b"C" + struct.pack(">BQQq", 0, 5, 6, 0)) == Commit(6)


@pytest.mark.parametrize(
    "payload",
    [
        b"?",
        b"S\0\0\0\1",
        b"I" + struct.pack(">I", 7) + b"X" + NEW,
        b"I" + struct.pack(">I", 7) + b"N" + NEW[:-4],
        b"I" + struct.pack(">I", 7) + b"N" + row(b"b" + struct.pack(">I", 1) + b"x"),
        b"U" + struct.pack(">I", 7) + b"O" + NEW + b"O" + NEW,
        b"D" + struct.pack(">I", 7) + b"N" + NEW,
        b"B" + b"\0" * 8,
        b"R" + struct.pack(">I", 7) + b"public",
    ],
)
def test_what_is_broken_or_unknown_is_refused(payload: bytes) -> None:
    with pytest.raises(MbpError, match="replication message"):
        decode(payload)


def test_no_prefix_of_a_message_is_taken_for_it() -> None:
    message = b"U" + struct.pack(">I", 7) + b"O" + NEW + b"N" + NEW
    for length in range(1, len(message)):
        with pytest.raises(MbpError):
            decode(message[:length])


def test_positions_are_numbers() -> None:
    assert lsn_number("16/B374D848") == 0x16_B374D848


def test_a_source_that_is_not_named_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE"):
        monkeypatch.delenv(f"MBP_SOURCE_{name}", raising=False)
    with pytest.raises(MbpError, match="MBP_SOURCE_HOST is not set"):
        source_of_environment()
    monkeypatch.setenv("MBP_SOURCE_HOST", "h")
    monkeypatch.setenv("MBP_SOURCE_USER", "u")
    monkeypatch.setenv("MBP_SOURCE_DATABASE", "d")
    monkeypatch.setenv("MBP_SOURCE_PORT", "five")
    with pytest.raises(MbpError, match="MBP_SOURCE_PORT is 'five'"):
        source_of_environment()
