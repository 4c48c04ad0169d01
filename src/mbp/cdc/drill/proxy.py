"""A network that can be cut: a TCP proxy on the loopback interface."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self

PART = 1 << 16


class Proxy:
    """Passes connections on to a server. `cut` breaks what is open and swallows what comes; `mend` ends that.

    Args:
        host, port: of the server.

    Attributes:
        address: (host, port) to connect to instead.
    """

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self._listening = socket.create_server((host, 0))
        self.address: tuple[str, int] = self._listening.getsockname()[:2]
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._cut = threading.Event()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._listening.close()
        self._break()

    def cut(self) -> None:
        """Nothing passes any more: open connections are broken, new ones get no answer."""
        self._cut.set()
        self._break()

    def mend(self) -> None:
        """New connections pass again; those that waited for an answer are broken."""
        self._cut.clear()
        self._break()

    def _break(self) -> None:
        with self._lock:
            sockets, self._open = self._open, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(client)
            if self._cut.is_set():
                continue
            try:
                server = socket.create_connection(self.server, timeout=5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open.append(server)
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        to = {client: server, server: client}
        try:
            with contextlib.suppress(OSError, ValueError):
                while not self._ended.is_set():
                    readable, _, _ = select.select([client, server], [], [], 0.1)
                    for one in readable:
                        data = one.recv(PART)
                        if not data:
                            return
                        to[one].sendall(data)
        finally:
            for one in (client, server):
                with contextlib.suppress(OSError):
                    one.close()
