"""A first mapping for a folder: what it found, what it guessed, and what it could not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.ingest.loading.load_sources import load_folder
from mbp.ingest.loading.mapping_draft import draft


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "My Exchange"
    folder.mkdir()
    (folder / "markets.csv").write_text(
        "market_id,name,status,opened_at,closes_at,updated\n"
        "m1,Rain?,open,2026-01-05 08:00:00,2026-01-06 08:00:00,2026-01-05 08:00:00\n"
    )
    (folder / "quotes.csv").write_text(
        "quote_id,market_id,quoted_ms,price,volume,comment\n"
        "q1,m1,1767614400500,52.5,10,a\nq2,m1,1767614460500,48,3,b\n"
    )
    (folder / "readme.md").write_text("not data")
    return folder


def test_a_draft_marks_its_guesses_and_loads(
    project_root: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = draft(data, load_contracts(project_root))
    assert "source: my-exchange" in text
    assert "      market_id: market_id\n" in text
    assert "quoted_at: {column: quoted_ms, epoch: milliseconds} # guessed: 1767614400500 to" in text
    assert "price: {column: price, scale: 0.01} # guessed: 48.0 to 52.5" in text
    assert "changed_at: updated_at # guessed" in text
    assert "# not found, so absent: depth_2pct, twap_5m" in text
    assert "# of the file, not used: comment" in text
    assert "  resolutions: no file is like it # guessed: say why" in text
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text)
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))
    report = load_folder(project_root, data, mapping, dry_run=True)
    assert (report.rejected, [table.loaded for table in report.tables]) == (0, [1, 2])
    assert [row[0] for row in report.rows["quotes"]] == ["q1", "q2"]


def test_a_folder_without_data_is_refused(project_root: Path, tmp_path: Path) -> None:
    contracts = load_contracts(project_root)
    with pytest.raises(MbpError, match="no such folder"):
        draft(tmp_path / "nowhere", contracts)
    with pytest.raises(MbpError, match="no CSV, JSON or Parquet file in it"):
        draft(tmp_path, contracts)
    (tmp_path / "xyzzy.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MbpError, match="no file is like"):
        draft(tmp_path, contracts)


def test_implausible_values_are_a_warning(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))
    (folder / "quotes.csv").write_text(
        "trade,market,at,price,shares\nt1,m1,1970-01-01 09:00:00,50,\n"
    )
    report = load_folder(project_root, folder, folder / "mapping.yaml", dry_run=True)
    price, quoted = sorted(report.tables[1].staged.implausible)
    assert price.startswith("price: from 50.00000000 to 50.00000000, and the contract bounds it")
    assert quoted.startswith("quoted_at: begins in 1970")
