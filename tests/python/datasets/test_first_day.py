"""The first day with a new column, a new seed or a new dataset: it works, or one line says why."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lab.exercises.project_copy import copy_parts
from mbp.contracts.lint.runner import lint
from mbp.contracts.rendering.render import rendered
from mbp.core.errors import MbpError
from mbp.core.files import write_stale
from mbp.operate.build import check_rendered
from mbp.runs.dbt_process import environment, run_dbt
from mbp.runs.preflight import install_packages
from mbp.warehouse import connect
from tests.python.datasets.more_datasets import HOURS, NOTES, scratch

SEED = "measurement_parameters"


def test_a_staging_model_that_lacks_a_column_is_named_before_dbt_runs(
    project_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    copy_parts(project_root, root)
    staging = root / "models/staging/mbp/stg_mbp__quotes.sql"
    lines = staging.read_text(encoding="utf-8").splitlines(keepends=True)
    staging.write_text("".join(one for one in lines if "depth_2pct" not in one), encoding="utf-8")

    with pytest.raises(MbpError) as caught:
        check_rendered(root)

    assert caught.value.path == "models/staging/mbp/stg_mbp__quotes.sql"
    assert caught.value.fix == "run `mbp contracts render` and commit the result"


def test_a_new_dataset_that_nobody_reads_or_explains_is_a_finding(
    project_root: Path, tmp_path: Path
) -> None:
    root = scratch(project_root, tmp_path / "project")
    codes = {
        (finding.subject, finding.code)
        for finding in lint(root, date(2026, 11, 28)).findings
        if finding.severity == "error"
    }
    for dataset in (NOTES, HOURS):
        # Glossary, business metric, exposure.
        assert {(dataset, code) for code in ("A87-006", "A87-007", "A87-011")} <= codes
    contract = root / f"contracts/a106/{NOTES}.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("name: DATA", "name: NOBODY"), encoding="utf-8")
    with pytest.raises(MbpError, match="unknown owner 'NOBODY'"):
        write_stale(root, rendered(root))


def test_a_seed_with_other_columns_refreshes_by_itself(project_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    copy_parts(project_root, root)
    seed = root / "seeds/reference" / f"{SEED}.csv"
    header, row = seed.read_text(encoding="utf-8").splitlines()
    settings = {"MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb")}
    with environment(settings):
        install_packages(root)
        for columns in (header, f"{header},added"):
            seed.write_text(f"{columns}\n{row}{',7' * (columns != header)}\n", encoding="utf-8")
            outcome = run_dbt(root, ["seed", "--select", SEED], target="duckdb", quiet=True)
            assert outcome.success, outcome.problem
        with connect(root, "duckdb", read_only=True) as warehouse:
            names, rows = warehouse.query(f"select * from reference.{SEED}")
    assert (names[-1], rows[0][-1], len(rows)) == ("added", 7, 1)
