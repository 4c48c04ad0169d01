"""Files are whole or not there, and nobody else's files are touched."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab import sample as run
from lab.simulate import Parameters, RawWorld, schema, writers
from mbp.core.errors import MbpError

SMALL = Parameters.of(quotes=320, days=1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_csv_says_null_decimals_and_instants_in_one_way(
    tmp_path: Path, clean_world: RawWorld
) -> None:
    writers.write_world(clean_world, tmp_path)
    assert names(tmp_path) == sorted(writers.CSV_NAMES)
    with (tmp_path / "raw_mbp__resolutions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = clean_world.rows("mbp.resolutions")
    assert len(rows) == len(expected) > 0
    for row, wanted in zip(rows, expected, strict=True):
        assert row["evidence_uri"] == (wanted["evidence_uri"] or "")
        assert row["decided_at"] == wanted["decided_at"].strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
    with (tmp_path / "raw_mbp__quotes.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert len(first["price"].partition(".")[2]) == 8
    assert '"' not in (tmp_path / "raw_mbp__quotes.csv").read_text()


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path, clean_world: RawWorld) -> None:
    run.simulate(Parameters(), file_format="parquet", output=tmp_path / "parquet")
    for table in schema.TABLES:
        parts = sorted((tmp_path / "parquet" / table).iterdir())
        rows = pa.concat_tables([pq.ParquetFile(part).read() for part in parts])
        assert rows.schema.equals(schema.SCHEMAS[table])
        assert rows.equals(clean_world[table])


def test_an_empty_table_still_has_a_file(tmp_path: Path, clean_world: RawWorld) -> None:
    world = clean_world.copy()
    world.replace("ops.ci_checks", [])
    for file_format in ("csv", "parquet"):
        folder = tmp_path / file_format
        folder.mkdir()
        writers.write_world(world, folder, file_format)
    assert (tmp_path / "csv" / "raw_ops__ci_checks.csv").read_text().count("\n") == 1
    part = tmp_path / "parquet" / "ops.ci_checks" / "part-00000.parquet"
    assert pq.read_metadata(part).num_rows == 0


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(MbpError, match=r"holds thesis\.txt.*nothing was written"):
        run.simulate(SMALL, output=tmp_path)
    assert names(tmp_path) == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(MbpError, match="not a folder"):
        run.simulate(SMALL, output=tmp_path / "out")


def test_an_earlier_simulation_is_replaced_and_handwork_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run.simulate(SMALL, file_format="parquet", output=folder)
    assert "mbp.quotes" in names(folder)
    (folder / "_sample__seeds.gen.yml").write_text("version: 2\n")
    run.simulate(SMALL, output=folder)
    assert names(folder) == sorted([*writers.CSV_NAMES, "_sample__seeds.gen.yml"])
    assert (folder / "_sample__seeds.gen.yml").read_text() == "version: 2\n"
    assert names(tmp_path) == ["out"], "nothing temporary stays"


def test_what_breaks_half_way_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    run.simulate(SMALL, output=folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def breaks(*_arguments: object) -> Iterator[tuple[str, pa.Table]]:
        yield "mbp.markets", schema.SCHEMAS["mbp.markets"].empty_table()
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(run, "stream", breaks)
    with pytest.raises(RuntimeError, match="on fire"):
        run.simulate(SMALL, output=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(tmp_path) == ["out"]


def test_the_sample_is_only_made_with_the_defaults() -> None:
    with pytest.raises(MbpError, match="need --output"):
        run.simulate(SMALL)
    with pytest.raises(MbpError, match="need --output"):
        run.simulate(Parameters(), file_format="parquet")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="--format orc: expected csv or parquet"):
        run.simulate(SMALL, file_format="orc", output=tmp_path / "out")
    assert names(tmp_path) == []
