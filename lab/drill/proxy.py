"""A network that can break: a TCP proxy on the loopback interface, between the reader and its source.

It can be cut (open connections break, new ones get no answer), it can stall (nothing passes, nothing breaks, and
nothing is lost, as when packets are dropped and sent again), and it can delay what a replication stream brings.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Self

PART = 1 << 16
TICK_SECONDS = 0.05
# In the first packet of a PostgreSQL session that asks for replication.
REPLICATION = b"replication\0"


class Proxy:
    """`with Proxy(host, port) as proxy: ...`.

    Args:
        host, port: of the server.

    Attributes:
        address: (host, port) to connect to instead.
        passed: bytes that went from the server to its clients.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server((host, 0))
        self.address: tuple[str, int] = self._listening.getsockname()[:2]
        self.passed = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._dark = threading.Event()
        self._stalled = threading.Event()
        self._ended = threading.Event()
        self._delay_seconds = self._ramp_seconds = self._delayed_since = 0.0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._listening.close()
        self._break()

    def cut(self) -> None:
        """Open connections are broken; new ones are taken and never answered."""
        self._dark.set()
        self._break()

    def stall(self) -> None:
        """Nothing passes any more, and no side is notified."""
        self._stalled.set()

    def delay(self, seconds: float, ramp_seconds: float = 0.0) -> None:
        """What comes from now on over a replication stream arrives so much later; 0: at once, the waiting bytes too.

        Args:
            ramp_seconds: the delay grows from nothing over so long, so that the stream never falls silent.
        """
        self._delay_seconds, self._ramp_seconds = seconds, ramp_seconds
        self._delayed_since = time.monotonic()

    def restore(self) -> None:
        """Everything passes again. Connections that were never answered are broken."""
        self.delay(0.0)
        self._stalled.clear()
        if self._dark.is_set():
            self._dark.clear()
            self._break()

    def _delay_now(self) -> float:
        if not self._delay_seconds or not self._ramp_seconds:
            return self._delay_seconds
        share = (time.monotonic() - self._delayed_since) / self._ramp_seconds
        return self._delay_seconds * min(1.0, share)

    def _break(self) -> None:
        with self._lock:
            sockets, self._open = self._open, set()
        for connection in sockets:
            # A socket in use by another thread is only freed by shutting it down.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            if not self._dark.is_set():
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            self._close(client)
            return
        with self._lock:
            self._open.add(server)
        waiting: deque[tuple[float, bytes]] = deque()
        replicates, pair = False, (client, server)
        try:
            while not self._ended.is_set():
                if self._stalled.is_set():
                    time.sleep(TICK_SECONDS)
                    continue
                readable, _, _ = select.select(
                    pair, [], [], TICK_SECONDS / 5 if waiting else TICK_SECONDS
                )
                if client in readable:
                    data = client.recv(PART)
                    if not data:
                        return
                    replicates = replicates or REPLICATION in data
                    server.sendall(data)
                if server in readable:
                    data = server.recv(PART)
                    if not data:
                        return
                    seconds = self._delay_now() if replicates else 0.0
                    waiting.append((time.monotonic() + seconds, data))
                while waiting and (not self._delay_seconds or waiting[0][0] <= time.monotonic()):
                    _, data = waiting.popleft()
                    # Counted first: who has received it may ask at once.
                    self.passed += len(data)
                    client.sendall(data)
        except (OSError, ValueError):
            return
        finally:
            self._close(client)
            self._close(server)

    def _close(self, side: socket.socket) -> None:
        with self._lock:
            self._open.discard(side)
        with suppress(OSError):
            side.close()
