"""The messages of a slot, and what is confirmed of them: only what the warehouse has.

psycopg2 reads such a stream too, but it confirms by itself whatever the source says it has sent. The slot is then ahead
of the warehouse after an ordinary stop. So its connection is read through libpq, which it is made of.
"""

from __future__ import annotations

import ctypes
import select
import struct
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
import psycopg2.errors

from mbp.ingest.cdc.pgoutput import POSTGRES_EPOCH_MICROSECONDS

STATUS_SECONDS = 10.0
# Kind, start of the message, end of the log and time of the source; the payload follows.
HEADER = struct.Struct(">cQQq")
MESSAGE, KEEPALIVE = b"wk"
STATUS = struct.Struct(">cQQQqB")
SQLSTATE = ord("C")


def _libpq() -> ctypes.PyDLL:
    library = ctypes.PyDLL(psycopg2._psycopg.__file__)
    pointer = ctypes.c_void_p
    library.PQgetCopyData.argtypes = [pointer, ctypes.POINTER(pointer), ctypes.c_int]
    library.PQputCopyData.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
    for name in ("PQconsumeInput", "PQflush", "PQfreemem", "PQgetResult", "PQerrorMessage"):
        getattr(library, name).argtypes = [pointer]
    library.PQresultErrorMessage.argtypes = [pointer]
    library.PQresultErrorField.argtypes = [pointer, ctypes.c_int]
    library.PQfreemem.restype = None
    library.PQgetResult.restype = pointer
    for name in ("PQerrorMessage", "PQresultErrorMessage", "PQresultErrorField"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


class ReplicationStream:
    """A slot that is read from a position on, over a connection of its own.

    Attributes:
        sent_until: up to there the source has sent everything; known when it is quiet.
    """

    def __init__(
        self, connection: Any, slot: str, position: int, options: Mapping[str, str]
    ) -> None:
        cursor = connection.cursor()
        cursor.start_replication(
            slot_name=slot, start_lsn=position, options=dict(options), decode=False
        )
        self._cursor, self._socket = cursor, connection.fileno()
        self._library, self._connection = _libpq(), ctypes.c_void_p(connection.pgconn_ptr)
        self._buffer = ctypes.c_void_p()
        self._reference = ctypes.byref(self._buffer)
        self.sent_until = 0
        self._heard_at = self._answered_at = time.monotonic()
        self.confirm(position)

    def read(self) -> tuple[bytes, int] | None:
        """The next message and its LSN; None: nothing has come.

        Raises:
            psycopg2.Error: the connection is gone, or what the source says is wrong.
        """
        library, connection = self._library, self._connection
        while True:
            length = library.PQgetCopyData(connection, self._reference, 1)
            if not length:
                if not library.PQconsumeInput(connection):
                    raise psycopg2.OperationalError(library.PQerrorMessage(connection).decode())
                length = library.PQgetCopyData(connection, self._reference, 1)
                if not length:
                    return None
            if length < 0:
                raise self._error()
            data = ctypes.string_at(self._buffer, length)
            library.PQfreemem(self._buffer)
            if data[0] == MESSAGE:
                return data[HEADER.size :], int.from_bytes(data[1:9])
            self._heard_at = time.monotonic()
            if data[0] == KEEPALIVE:
                self.sent_until = max(self.sent_until, int.from_bytes(data[1:9]))
                if data[-1]:
                    self.answer()

    def wait(self, seconds: float, *, ask: bool) -> float:
        """Until something comes, or so long; seconds since the source was heard.

        Args:
            ask: for how far the source has sent.
        """
        if ask or time.monotonic() - self._answered_at > STATUS_SECONDS:
            self.answer(ask=ask)
        if select.select([self._socket], [], [], seconds)[0]:
            self._heard_at = time.monotonic()
        return time.monotonic() - self._heard_at

    def confirm(self, position: int) -> None:
        """The warehouse has everything committed before it: the source may forget it."""
        self._answer(max(position, self.sent_until), position, ask=False)

    def answer(self, *, ask: bool = False) -> None:
        """A sign of life, which confirms nothing. The source stops politely when it sees that all was received."""
        self._answer(self.sent_until, 0, ask=ask)

    def _answer(self, received: int, confirmed: int, *, ask: bool) -> None:
        self._answered_at = time.monotonic()
        now = int(time.time() * 1_000_000) - POSTGRES_EPOCH_MICROSECONDS
        status = STATUS.pack(b"r", received, confirmed, confirmed, now, ask)
        library, connection = self._library, self._connection
        if library.PQputCopyData(connection, status, len(status)) != 1 or library.PQflush(
            connection
        ):
            raise psycopg2.OperationalError(library.PQerrorMessage(connection).decode())

    def _error(self) -> psycopg2.Error:
        library = self._library
        result = library.PQgetResult(self._connection)
        state = library.PQresultErrorField(result, SQLSTATE) if result else None
        if state is None:
            text = library.PQerrorMessage(self._connection).decode()
            return psycopg2.OperationalError(text or "the source ended the stream")
        text = library.PQresultErrorMessage(result).decode(errors="replace")
        try:
            return psycopg2.errors.lookup(state.decode())(text)
        except KeyError:
            return psycopg2.DatabaseError(text)
