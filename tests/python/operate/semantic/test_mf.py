"""What docs/metrics.md shows: every question can be asked, and MetricFlow's own command answers one."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

from mbp.operate.semantic.query import Question, request_of
from tests.python.built import Built
from tests.python.operate.semantic.conftest import Asked

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DOCUMENT = "docs/metrics.md"
OPTIONS = {
    "--metrics": "metrics",
    "--group-by": "by",
    "--where": "where",
    "--order": "order",
    "--limit": "limit",
    "--saved-query": "saved",
    "--csv": "file",
}


def commands(root: Path, beginning: str) -> list[list[str]]:
    """Shell lines of the document that begin so, as words."""
    text = (root / DOCUMENT).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL))
    return [
        shlex.split(line, comments=True)
        for line in blocks.splitlines()
        if line.startswith(beginning)
    ]


def test_every_question_of_ours_can_be_asked(
    project_root: Path, layers: Mapping[str, Asked]
) -> None:
    lines = commands(project_root, "mbp metrics query ")
    assert len(lines) > 4
    for words in lines:
        named: list[str] = []
        options: dict[str, list[str]] = {}
        rest = iter(words[3:])
        for word in rest:
            if word.startswith("--"):
                options.setdefault(word, []).append(next(rest))
            else:
                named.append(word)
        question = Question(
            tuple(named),
            saved=options.get("--saved", [None])[0],
            by=tuple(options.get("--by", ())),
            where=tuple(options.get("--where", ())),
            start=options.get("--from", [None])[0],
            end=options.get("--to", [None])[0],
        )
        for asked in layers.values():
            assert asked.layer.sql(request_of(question, asked.layer))


def test_every_question_of_metricflow_compiles(
    project_root: Path, layers: Mapping[str, Asked]
) -> None:
    lines = commands(project_root, "scripts/mf query ")
    assert len(lines) > 4
    for words in lines:
        asked = [word for word in words[2:] if word != "--explain"]
        given = {OPTIONS[name]: value for name, value in zip(asked[::2], asked[1::2], strict=True)}
        request = MetricFlowQueryRequest.create(
            metric_names=list(filter(None, given.get("metrics", "").split(","))) or None,
            saved_query_name=given.get("saved"),
            group_by_names=list(filter(None, given.get("by", "").split(","))) or None,
            where_constraints=[given["where"]] if "where" in given else None,
            limit=int(given["limit"]) if "limit" in given else None,
        )
        for one in layers.values():
            assert one.layer.sql(request)


def test_its_own_command_answers_and_asks_no_registry(built: Built, tmp_path: Path) -> None:
    """In a project of its own: `mf` reads and writes target/ of the folder it stands in."""
    for path in built.root.iterdir():
        if path.name not in ("target", "logs", "scripts", ".git", "mbp.duckdb", "profiles.yml"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "scripts").mkdir()
    shutil.copy(built.root / "scripts/mf", tmp_path / "scripts/mf")
    # Views name the catalog, which DuckDB calls after the file.
    warehouse = tmp_path / "warehouse" / "mbp.duckdb"
    warehouse.parent.mkdir()
    shutil.copyfile(built.settings["duckdb"]["MBP_DUCKDB_PATH"], warehouse)
    line = commands(built.root, "scripts/mf query --metrics brier_score")[0]
    finished = subprocess.run(
        [*line, "--csv", "found.csv", "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "MBP_DUCKDB_PATH": str(warehouse), "MBP_RAW": "sample"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "new version" not in finished.stdout
    with (tmp_path / "found.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with built.open("duckdb") as opened:
        _, expected = opened.query(
            "select horizon_hours, avg(squared_error) from semantic.sem_calibration group by 1"
        )
    found = {int(hours): float(score) for hours, score in rows[1:]}
    assert found == pytest.approx({int(hours): float(score) for hours, score in expected})
