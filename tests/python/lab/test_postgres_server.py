"""A server that is restarted, or crashes, keeps its data and its port."""

from __future__ import annotations

import psycopg2
import pytest

from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError


def test_a_server_comes_back_with_its_data_on_its_port() -> None:
    def rows() -> int:
        connection = server.connect()
        with connection.cursor() as cursor:
            cursor.execute("insert into kept values (1)")
            cursor.execute("select count(*) from kept")
            (count,) = cursor.fetchone()
        connection.close()
        return int(count)

    with PostgresServer({"synchronous_commit": "on"}) as server:
        port = server.port
        connection = server.connect()
        with connection.cursor() as cursor:
            cursor.execute("create table kept (number integer)")
            assert rows() == 1
            server.restart()
            with pytest.raises(psycopg2.Error):
                cursor.execute("select 1")
        assert (server.port, rows()) == (port, 2)
        server.kill()
        assert not server.running
        with pytest.raises(psycopg2.OperationalError):
            server.connect()
        server.serve()
        assert (server.port, rows()) == (port, 3)
        with pytest.raises(MbpError, match="runs already"):
            server.serve()


def test_what_was_never_started_is_not_served() -> None:
    with pytest.raises(MbpError, match="no data yet"):
        PostgresServer().serve()
