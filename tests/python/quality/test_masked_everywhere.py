"""A classified value that breaks a rule is in no output: failures, history, comment, report, notifications.

The three engines with the same fault are in `enforcement/test_engines.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.postgres_server import PostgresServer
from mbp.cli import main as cli
from mbp.core.masking import mask
from mbp.core.reporting.output_forms import FORMATS
from mbp.runs.dbt_process import environment, run_dbt
from mbp.warehouse import connect
from tests.python.built import Built, copied
from tests.python.release.ci.reports import BASE, HEAD, good_run

PLANTED = "plantedvalue"
RULE = "mbp_abuse_events_user_id_hash_pattern"


@pytest.fixture(scope="module")
def spoiled(
    built: Built,
    postgres_server: PostgresServer,
    project_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A warehouse with the value in every row of a classified column, and the run of dbt that found it."""
    folder = tmp_path_factory.mktemp("masked")
    with copied(built, postgres_server, "duckdb", folder) as settings:
        changes = {
            **settings,
            "DBT_TARGET_PATH": str(folder / "target"),
            "MBP_STATE_DIR": str(folder),
        }
        with environment(changes):
            with connect(project_root, "duckdb") as warehouse:
                warehouse.execute(f"update marts.mbp_abuse_events set user_id_hash = '{PLANTED}'")
            run_dbt(
                project_root,
                ["test", "--select", "mbp_abuse_events,test_type:generic"],
                target="duckdb",
                artifacts=folder,
                quiet=True,
            )
            yield folder


def output(*words: str) -> str:
    """All that a command prints, and the error it ends with."""
    cli.register()
    result = CliRunner().invoke(cli.app, list(words))
    return f"{result.output}{result.stderr}{result.exception or ''}"


@pytest.mark.usefixtures("spoiled")
def test_the_masked_value_is_shown() -> None:
    text = output("quality", "failures")
    assert RULE in text
    assert str(mask(PLANTED)) in text


@pytest.mark.usefixtures("spoiled")
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_shows_it(form: str) -> None:
    text = output("quality", "failures", "--format", form)
    assert text
    assert PLANTED not in text


@pytest.mark.usefixtures("spoiled")
@pytest.mark.parametrize(
    "words",
    [
        "quality record",
        f"quality history {RULE}",
        "quality monitor",
        "watch --once --dry-run --format json",
        "contracts check --format markdown",
        "registry drift",
        "gate M2",
    ],
)
def test_no_command_shows_it(words: str) -> None:
    text = output(*words.split())
    assert text
    assert PLANTED not in text


def test_no_file_has_it(spoiled: Path, tmp_path: Path) -> None:
    """The comment of a pull request, the report, the notifications, and what dbt leaves of its run."""
    cli.register()
    words = ["ci", "rules", "--base", str(tmp_path / "none"), "--base-commit", BASE]
    rules = json.loads(CliRunner().invoke(cli.app, words).stdout)
    run = good_run(tmp_path)
    run.report("rules", rules, exit_code=1)
    comment = output("ci", "comment", str(run.folder), "--commit", HEAD)
    assert RULE in comment
    assert PLANTED not in comment
    output("report", "--output", str(tmp_path / "report.html"))
    output("watch", "--once")
    files = [path for path in (*spoiled.rglob("*"), *tmp_path.rglob("*")) if path.is_file()]
    assert (tmp_path / "report.html") in files
    found = [
        path.name
        for path in files
        if path.suffix != ".duckdb" and PLANTED.encode() in path.read_bytes()
    ]
    assert found == []
