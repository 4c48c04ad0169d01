"""Which spellings of instants and numbers are taken; every other row is rejected with its reason."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from lab.canonical import canonical_value
from mbp.ingest.loading.load_sources import load_folder
from mbp.warehouse import connect

# The mapping's time zone is America/Sao_Paulo, three hours behind UTC.
INSTANTS = {
    "2026-01-05": "2026-01-05T03:00:00.000000Z",
    "2026-01-05 09:00": "2026-01-05T12:00:00.000000Z",
    "2026-01-05T09:00:00": "2026-01-05T12:00:00.000000Z",
    "2026-01-05T09:00:00.25Z": "2026-01-05T09:00:00.250000Z",
    "2026-01-05 09:00:00+00": "2026-01-05T09:00:00.000000Z",
    "2026-01-05T09:00:00+0530": "2026-01-05T03:30:00.000000Z",
    "2026-01-05T09:00:00-03:30": "2026-01-05T12:30:00.000000Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59Z": "9999-12-31T23:59:59.000000Z",
}
NO_INSTANTS = [
    "infinity",
    "-infinity",
    "Infinity",
    "epoch",
    "now",
    "today",
    "0044-03-15 (BC)",
    "0044-03-15 00:00:00 (BC)",
    "0000-01-01",
    "-0044-03-15",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-05:00",
    "12026-01-05",
    "2026-1-5",
    "2026/01/05",
    "2026-02-30",
    "2026-01-05 25:00:00",
    "2026-01-05 09:00:00+99",
    "2026-01-05 09:00:00 UTC",
    "1767614400",
]
NO_NUMBERS = [
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "-Infinity",
    "1e400",
    "0x10",
    "1 000",
    "half",
]


def write_quotes(folder: Path, rows: list[tuple[str, str]]) -> None:
    """Quotes with these instants and prices, numbered from 1."""
    with (folder / "quotes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trade", "market", "at", "price", "shares"])
        writer.writerows([n, "m1", at, price, 1] for n, (at, price) in enumerate(rows, start=1))


def rejects_of(root: Path, folder: Path, target: str | None = None) -> list[tuple[str, str]]:
    """Row and reason of what a load rejects."""
    rejects = folder / "rejects.csv"
    load_folder(root, folder, folder / "mapping.yaml", target=target, reject_file=rejects)
    return [(row["source_row"], row["reason"]) for row in csv.DictReader(rejects.open())]


def test_iso_instants_are_taken(project_root: Path, folder: Path, target: str) -> None:
    write_quotes(folder, [(at, "0.5") for at in INSTANTS])
    assert rejects_of(project_root, folder, target) == []
    with connect(project_root, target) as warehouse:
        _, rows = warehouse.query(
            "select quoted_at from raw_mbp.quotes order by cast(quote_id as integer)"
        )
    assert [canonical_value(at) for (at,) in rows] == list(INSTANTS.values())


def test_any_other_spelling_of_an_instant_is_rejected(
    project_root: Path, folder: Path, target: str
) -> None:
    write_quotes(folder, [("2026-01-05", "0.5"), *((at, "0.5") for at in NO_INSTANTS)])
    expected = "quoted_at: not an ISO 8601 instant such as 2026-01-05T09:00:00Z: "
    assert rejects_of(project_root, folder, target) == [
        (str(row), expected + at) for row, at in enumerate(NO_INSTANTS, start=2)
    ]


def test_a_number_is_finite(project_root: Path, folder: Path, target: str) -> None:
    write_quotes(folder, [("2026-01-05", "0.5"), *(("2026-01-05", one) for one in NO_NUMBERS)])
    assert rejects_of(project_root, folder, target) == [
        (str(row), f"price: not a number within its range: {one}")
        for row, one in enumerate(NO_NUMBERS, start=2)
    ]


def test_typed_values_of_parquet_are_judged_alike(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "p.duckdb"))
    duckdb.sql(
        "copy (select * from (values"
        " ('1', timestamp '2026-01-05 09:00:00', 0.5::double),"
        " ('2', timestamp 'infinity', 0.5),"
        " ('3', timestamp '2026-01-05 09:00:00', 'nan'::double),"
        " ('4', timestamp '2026-01-05 09:00:00', '-inf'::double)) as t(trade, \"at\", price))"
        f" to '{folder}/quotes.parquet'"
    )
    mapping = folder / "mapping.yaml"
    text = mapping.read_text().replace("quotes.csv", "quotes.parquet")
    text = text.replace("market_id: market, quoted_at: at", "market_id: trade, quoted_at: at")
    mapping.write_text(text.replace("volume: shares", "volume: price"))
    assert [(row, reason.split(":")[0]) for row, reason in rejects_of(project_root, folder)] == [
        ("2", "quoted_at"),
        ("3", "price"),
        ("4", "price"),
    ]
