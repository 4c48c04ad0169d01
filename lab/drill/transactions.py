"""Load: random transactions at the source, in a thread, until it is stopped."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Self

import psycopg2

from lab.drill import market
from lab.postgres_server import PostgresServer

PAUSE_SECONDS = 0.02
RETRY_SECONDS = 0.2
STOP_SECONDS = 60.0


class Load:
    """`with Load(server, database, seed) as load: ...`; a source that is away is waited for.

    Attributes:
        committed: transactions that the source accepted.
        interrupted: transactions that it did not, because it was away; they are not tried again.
        thread: ends by itself only when the source refuses a transaction.
    """

    def __init__(self, server: PostgresServer, database: str, seed: int) -> None:
        self._server, self._database, self._seed = server, database, seed
        self.committed = self.interrupted = 0
        self._ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._wrong: Exception | None = None

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self.thread.join(STOP_SECONDS)
        if self._wrong is not None and error[0] is None:
            raise self._wrong

    def _run(self) -> None:
        connection: Any = None
        try:
            for transaction in market.transactions(self._seed):
                if self._ending.wait(PAUSE_SECONDS):
                    return
                try:
                    connection = connection or self._server.connect(self._database)
                    with connection.cursor() as cursor:
                        cursor.execute(transaction)
                    self.committed += 1
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    self.interrupted += 1
                    _close(connection)
                    connection = None
                    self._ending.wait(RETRY_SECONDS)
        except Exception as error:  # reported by the thread that waits for this one
            self._wrong = error
        finally:
            _close(connection)


def _close(connection: Any) -> None:
    if connection is not None:
        with suppress(psycopg2.Error):
            connection.close()
