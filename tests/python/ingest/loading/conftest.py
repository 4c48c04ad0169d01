"""A small folder of outside data with its mapping, and an empty warehouse on each engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.postgres_server import PostgresServer

MARKETS = "id,question,opens,closes\nm1,Will it rain?,2026-01-05 08:00,2026-01-06 08:00\n"
QUOTES = (
    "trade,market,at,price,shares,user\n"
    "t1,m1,2026-01-05 09:00:00,0.5,10,ann\n"
    "t2,m1,2026-01-05 09:00:01,0.123456785,,bob\n"
)
MAPPING = """
version: 1
source: test
time_zone: America/Sao_Paulo
tables:
  markets:
    file: markets.csv
    changed_at: opened_at
    columns: {market_id: id, name: question, opened_at: opens, closes_at: closes}
    constants: {template_id: t, category: c, truth_source: table, status: open}
    absent:
      closed_at: {value: null, reason: still open}
      resolution_deadline: {column: closes, reason: none set}
      min_liquidity: {value: 0, reason: not told}
      created_at: {column: opens, reason: not told}
      updated_at: {column: opens, reason: not told}
  quotes:
    file: quotes.csv
    changed_at: quoted_at
    columns: {quote_id: trade, market_id: market, quoted_at: at, price: price, volume: shares}
    when_null:
      volume: {value: 0, reason: no share count}
    absent:
      depth_2pct: {value: 0, reason: no depth}
      twap_5m: {column: price, reason: no average}
absent_tables:
  resolutions: nothing is resolved yet
  abuse_events: no detector
  trades: no single trades
not_measurable:
  - rules: [mbp_quotes_freshness]
    reason: a history
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "markets.csv").write_text(MARKETS)
    (data / "quotes.csv").write_text(QUOTES)
    (data / "mapping.yaml").write_text(MAPPING)
    return data


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine with an empty warehouse of its own."""
    name: str = request.param
    if name == "duckdb":
        monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = request.getfixturevalue("postgres_database")
        for variable, value in server.environment(database).items():
            monkeypatch.setenv(variable, value)
    return name
