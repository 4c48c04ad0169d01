"""The drill: its judge finds what is wrong, its network can be cut, and a scenario is played for real."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mbp.cdc.drill import market
from mbp.cdc.drill.compare import compare
from mbp.cdc.drill.proxy import Proxy
from mbp.cdc.drill.run import Result, as_markdown, as_table, drill
from mbp.errors import MbpError

SOURCE = [("a", 1, None), ("b", 2, "x")]
LOG = [
    ("a", 0, None, "r", 9),
    ("b", 2, "x", "c", 10),
    ("a", 1, None, "u", 12),
    ("c", 3, "", "c", 13),
]
GONE = ("c", 3, "", "d", 14)


def test_what_is_the_same_is_the_same_in_any_order() -> None:
    for log in itertools.permutations([*LOG, GONE]):
        assert compare("t", SOURCE, log).same


@pytest.mark.parametrize(
    ("log", "wrong"),
    [
        ([*LOG[:1], *LOG[2:], GONE], {"missing": 1}),
        (LOG, {"extra": 1}),
        ([*LOG[:2], *LOG[3:], GONE], {"other": 1}),
        ([LOG[0], ("b", 2, "", "c", 10), *LOG[2:], GONE], {"other": 1}),
        ([LOG[0], ("b", 2, None, "c", 10), *LOG[2:], GONE], {"other": 1}),
        ([*LOG, GONE, LOG[1]], {"twice": 1}),
        ([], {"missing": 2}),
    ],
)
def test_each_difference_is_found(log: list[tuple[object, ...]], wrong: dict[str, int]) -> None:
    found = compare("t", SOURCE, log)
    assert not found.same
    assert {name: getattr(found, name) for name in wrong} == wrong


def test_the_load_is_the_same_for_the_same_seed_and_reaches_every_table() -> None:
    first, again, other = (
        list(itertools.islice(market.transactions(seed), 200)) for seed in (1, 1, 2)
    )
    assert first == again != other
    text = "\n".join(first)
    for table in market.ROWS:
        assert f"insert into {table}" in text
        assert f"delete from {table}" in text


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says what it hears."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[:2]
    listening.close()


def test_the_network_can_be_cut_and_mended(echo: tuple[str, int]) -> None:
    with Proxy(*echo) as proxy:
        with closing(socket.create_connection(proxy.address, timeout=3)) as client:
            client.sendall(b"one")
            assert client.recv(10) == b"one"
            proxy.cut()
            with pytest.raises((ConnectionError, TimeoutError)):
                client.sendall(b"two")
                if client.recv(10) == b"":
                    raise ConnectionResetError
        with closing(socket.create_connection(proxy.address, timeout=0.5)) as unheard:
            unheard.sendall(b"three")
            with pytest.raises(TimeoutError):
                unheard.recv(10)
        proxy.mend()
        with closing(socket.create_connection(proxy.address, timeout=3)) as client:
            client.sendall(b"four")
            assert client.recv(10) == b"four"


def test_nothing_compared_is_no_pass() -> None:
    result = Result("s", "duckdb", "what", "", (), None, None, "-", 0.0, ())
    assert not result.passed
    assert "FAILED" in as_table([result])
    assert "0 of 1 passed" in as_table([result])
    assert "FAILED" in as_markdown([result])


def test_an_unknown_scenario_or_target_is_refused(project_root: Path) -> None:
    with pytest.raises(MbpError, match=r"no scenario 'network_cat'.*network_cut"):
        drill(project_root, ["network_cat"], ["duckdb"], print, rows=1, hold_seconds=1)
    with pytest.raises(MbpError, match="no drill for the target 'spark'"):
        drill(project_root, [], ["spark"], print, rows=1, hold_seconds=1)


def test_a_scenario_is_played_for_real(project_root: Path) -> None:
    said: list[str] = []
    (result,) = drill(
        project_root, ["schema_drift"], ["postgres"], said.append, rows=1, hold_seconds=1
    )
    assert result.problems == []
    assert result.passed
    assert sum(table.rows for table in result.tables) > 100
    assert result.decision == "none"
    written = json.loads((project_root / "target" / "cdc_drill.json").read_text())
    assert [one["scenario"] for one in written["results"]] == ["schema_drift"]
