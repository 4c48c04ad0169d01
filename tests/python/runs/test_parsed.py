"""A kept parse serves while nothing changed that it was read from, and is what dbt would read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.runs import parsed
from mbp.runs.dbt_process import environment, run_dbt
from tests.python.runs.small import PROJECT

PROFILE = """
mbp:
  target: duckdb
  outputs:
    duckdb:
      type: duckdb
      path: "{{ env_var('MBP_DUCKDB_PATH', 'small.duckdb') }}"
      schema: "{{ env_var('SMALL', 'main') }}"
"""
PROPERTIES = """
data_tests:
  - name: assert_one
    description: There is a one.
    config: {severity: warn, meta: {owner: DATA}}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parsed, "_memory", {})
    files = {
        "dbt_project.yml": PROJECT,
        "profiles.yml": PROFILE,
        "sql/one.sql": "select 1 as one",
        "seeds/two.csv": "two\n2\n",
        "checks/assert_one.sql": "select * from {{ ref('one') }} where one <> 1",
        "checks/checks.yml": PROPERTIES,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "small.duckdb"))
    return tmp_path


def key(root: Path, *arguments: str) -> str | None:
    return parsed.fingerprint(root, root, "duckdb", arguments or ("parse",))


def written(root: Path) -> dict[str, Any]:
    manifest = json.loads((root / "out/target/manifest.json").read_text())
    for name in ("generated_at", "invocation_id", "invocation_started_at"):
        manifest["metadata"].pop(name, None)
    return dict(manifest)


def read(root: Path) -> dict[str, Any]:
    outcome = run_dbt(root, ["parse"], artifacts=root / "out", quiet=True)
    assert outcome.success, outcome.problem
    return written(root)


def test_what_was_kept_is_what_dbt_reads(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = read(small)
    kept = list((small / parsed.FOLDER).iterdir())
    assert [file.name for file in kept] == [key(small)]
    monkeypatch.setattr(parsed, "_memory", {})  # another process
    monkeypatch.setattr(parsed, "keep", lambda *_: pytest.fail("it was read again"))
    (small / "out/target/manifest.json").unlink()
    assert read(small) == fresh
    built = run_dbt(small, ["build"], artifacts=small / "out", quiet=True)
    assert built.success
    assert {one.node.name for one in built.result} == {"one", "two", "assert_one"}
    (singular,) = [one.node for one in built.result if one.node.name == "assert_one"]
    assert (singular.config.severity, singular.config.meta) == ("warn", {"owner": "DATA"})


def test_a_change_is_read(small: Path) -> None:
    assert set(read(small)["nodes"]) >= {"model.small.one"}
    (small / "sql/three.sql").write_text("select 3 as three")
    assert "model.small.three" in read(small)["nodes"]
    (small / "sql/one.sql").unlink()
    (small / "checks/assert_one.sql").unlink()
    (small / "checks/checks.yml").unlink()
    assert "model.small.one" not in read(small)["nodes"]


@pytest.mark.parametrize(
    "place", ["sql/one.sql", "seeds/two.csv", "checks/checks.yml", "profiles.yml"]
)
def test_each_input_counts(small: Path, place: str) -> None:
    before = key(small)
    (small / place).write_text((small / place).read_text() + "\n")
    assert key(small) not in (before, None)


@pytest.mark.parametrize("name", ["MBP_RAW", "DBT_SOMETHING", "SMALL"])
def test_each_setting_counts_but_not_where_things_are(small: Path, name: str) -> None:
    (small / "sql/raw.sql").write_text("select '{{ env_var('MBP_RAW', 'sample') }}' as raw")
    before = key(small)
    with environment({name: "another"}):
        assert key(small) not in (before, None)
    with environment({"MBP_STATE_DIR": "/elsewhere", "DBT_TARGET": "duckdb"}):
        assert key(small) == before
    with environment({"MBP_PG_PORT": "1", "MBP_DUCKDB_PATH": "/elsewhere/small.duckdb"}):
        assert key(small) == before
    with environment({"MBP_DUCKDB_PATH": "/elsewhere/other.duckdb"}):
        assert key(small) != before
    assert key(small, "build", "--vars", "{a: 1}") not in (before, None)
    assert parsed.fingerprint(small, small, "postgres", ["parse"]) != before


def test_who_wants_it_read_gets_it_read(small: Path) -> None:
    assert key(small, "parse", "--no-partial-parse") is None
    assert key(small, "deps") is None
    (small / "dbt_project.yml").write_text("{")
    assert key(small) is None
    with pytest.raises(MbpError, match=r"dbt_project\.yml:1: not valid YAML"):
        run_dbt(small, ["parse"], artifacts=small / "out", quiet=True)


def test_a_parse_in_use_is_kept(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "KEPT_AT_MOST", 2)
    manifest = run_dbt(small, ["parse"], artifacts=small / "out", quiet=True).result
    first = key(small)
    assert first is not None
    parsed.keep(small, "second", manifest)
    for name, moment in ((first, 1), ("second", 2)):
        os.utime(small / parsed.FOLDER / name, (moment, moment))
    parsed._memory.clear()
    assert parsed.recall(small, first) is not None
    parsed.keep(small, "third", manifest)
    assert {file.name for file in (small / parsed.FOLDER).iterdir()} == {first, "third"}


def test_a_damaged_file_is_no_parse(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = read(small)
    monkeypatch.setattr(parsed, "_memory", {})
    (file,) = (small / parsed.FOLDER).iterdir()
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:1000])
    assert set(read(small)["nodes"]) == set(fresh["nodes"])
    assert file.stat().st_size == whole


def test_a_project_that_does_not_parse_says_so_each_time(small: Path) -> None:
    (small / "sql/one.sql").write_text("select * from {{ ref('nobody') }}")
    for _ in range(2):
        outcome = run_dbt(small, ["build"], artifacts=small / "out", quiet=True)
        assert not outcome.success
        assert outcome.problem is not None and "nobody" in outcome.problem
    assert not (small / parsed.FOLDER).exists()


def test_what_is_kept_for_a_command_was_read_with_its_variables(small: Path) -> None:
    (small / "sql/one.sql").write_text("{{ config(alias=var('called', 'one')) }} select 1 as one")
    for called in ("first", "second"):
        told = ["run", "--select", "one", "--vars", f"called: {called}"]
        outcome = run_dbt(small, told, artifacts=small / "out", quiet=True)
        assert [one.node.alias for one in outcome.result] == [called]
