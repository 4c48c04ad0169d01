"""The matrix of docs/engines.md is what live engines do."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lab.engines import document
from lab.engines.probes import PROBES, SCHEMA, matrix, measure
from mbp.core.errors import MbpError


def test_duckdb_refuses_a_null_and_takes_an_empty_text() -> None:
    with duckdb.connect() as connection:
        found = measure(connection.execute)
    assert found["not null"] is True
    assert found["non-empty text"] is False
    assert set(found) == {probe.kind for probe in PROBES}


def test_probes_leave_nothing_behind() -> None:
    with duckdb.connect() as connection:
        measure(connection.execute)
        schemas = connection.execute("select schema_name from duckdb_schemas()").fetchall()
    assert SCHEMA not in {name for (name,) in schemas}


def test_a_probe_that_cannot_be_set_up_is_an_error_not_a_verdict() -> None:
    def broken(statement: str) -> None:
        if statement.startswith("create table"):
            raise RuntimeError("no tables today")

    with pytest.raises(RuntimeError, match="no tables today"):
        measure(broken)


def test_an_engine_that_takes_everything_is_shown_as_such() -> None:
    table = matrix({"Anything": measure(str.strip)})
    assert table.count("**not enforced**") == len(PROBES)


@pytest.mark.postgres
def test_the_document_is_current(project_root: Path) -> None:
    assert document.current_matrix(project_root) == document.measured_matrix(), (
        "mbp engines --write"
    )


def test_a_document_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / document.DOCUMENT).write_text("# Engines\n", encoding="utf-8")
    with pytest.raises(MbpError, match="markers"):
        document.write_matrix(tmp_path, "|a|\n")
