"""scripts/swap_dbt_expectations: all or nothing, there and back.

The hub is a port where nobody listens; the public package is a stand-in with the names and arguments of
upstream.yml and bodies that find nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mbp.core import yaml_io
from mbp.core.errors import MbpError
from scripts.swap_dbt_expectations import INSTALLED, LOCK, PACKAGE, SET_ASIDE, exchanged, main, swap

OURS_ENTRY = "- local: packages/dbt_expectations"


@pytest.fixture
def small(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one model and one test, with our package installed."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("contracts", "packages"):
        (root / name).symlink_to(project_root / name)
    for name in ("packages.yml", "profiles.example.yml"):
        shutil.copy(project_root / name, root / name)
    (root / INSTALLED).mkdir()
    (root / INSTALLED / PACKAGE).symlink_to(root / "packages" / PACKAGE)
    test = {f"{PACKAGE}.expect_table_row_count_to_equal": {"arguments": {"value": 1}}}
    write(
        root,
        {
            LOCK: {"packages": [], "sha1_hash": "of another time"},
            "dbt_project.yml": {
                "name": "small",
                "version": "1.0.0",
                "profile": "mbp",
                "flags": {"partial_parse": False},
                "vars": {"dbt_date:time_zone": "UTC"},
            },
            "models/one.yml": {"models": [{"name": "one", "data_tests": [test]}]},
        },
    )
    (root / "models" / "one.sql").write_text("select 1 as one", encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("DBT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(root))
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "none.duckdb"))
    return root


@pytest.fixture
def stand_in(tmp_path: Path, project_root: Path) -> Callable[..., Path]:
    """Writes a package with the public interface, without the tests named."""
    upstream = yaml_io.plain(yaml_io.load(project_root / "packages" / PACKAGE / "upstream.yml"))

    def make(*without: str) -> Path:
        folder = tmp_path / "unpacked" / PACKAGE
        write(folder, {"dbt_project.yml": {"name": PACKAGE, "version": "0.10.9"}})
        blocks = []
        for name, signature in upstream["tests"].items():
            optional = [f"{key}={value!r}" for key, value in signature["optional"].items()]
            arguments = ", ".join([*signature["required"], *optional])
            body = "select 1 as nothing where 1 = 0"
            if name not in without:
                blocks.append(f"{{% test {name}({arguments}) %}}{body}{{% endtest %}}")
        (folder / "macros").mkdir()
        (folder / "macros" / "tests.sql").write_text("\n".join(blocks), encoding="utf-8")
        return folder

    return make


def write(root: Path, documents: dict[str, Any]) -> None:
    for name, document in documents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(json.dumps(document), encoding="utf-8")


def tree(root: Path) -> dict[str, str | bytes]:
    """Every file and link of the project that is its own, with its content; artifacts left out."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            if path.is_symlink():
                found[path.relative_to(root).as_posix()] = f"-> {path.readlink()}"
            elif path.is_file():
                found[path.relative_to(root).as_posix()] = path.read_bytes()
        folders[:] = [name for name in folders if name not in {"target", "logs", ".mbp"}]
    return found


def test_there_and_back(small: Path, stand_in: Callable[..., Path]) -> None:
    upstream = stand_in()
    before = tree(small)
    assert "has all 1 tests" in swap(small, True, str(upstream))
    assert (small / INSTALLED / PACKAGE).resolve() == upstream.resolve()
    assert "unpacked" in (small / LOCK).read_text(encoding="utf-8")
    swapped = tree(small)
    assert "already" in swap(small, True, str(upstream))
    assert tree(small) == swapped
    assert "has all 1 tests" in swap(small, False)
    after = tree(small)
    assert "- local: packages/dbt_expectations" in str(after.pop(LOCK))
    before.pop(LOCK)
    assert after == before
    assert "already" in swap(small, False)


def test_without_the_hub_everything_is_as_before(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9")
    before = tree(small)
    assert main(["upstream"]) == 2
    said = capsys.readouterr().err
    assert "dbt deps failed" in said
    assert "everything is as before" in said
    assert "Cure: reach the package hub" in said
    assert said.count("\n") == 1
    assert tree(small) == before


def test_a_package_that_lacks_a_test_in_use_is_refused(
    small: Path, stand_in: Callable[..., Path]
) -> None:
    lacking = stand_in("expect_table_row_count_to_equal")
    before = tree(small)
    with pytest.raises(
        MbpError,
        match=r"the package lacks expect_table_row_count_to_equal; everything is as before",
    ):
        swap(small, True, str(lacking))
    assert tree(small) == before


def test_refuses_what_is_not_the_public_package(small: Path, tmp_path: Path) -> None:
    before = tree(small)
    for folder, reason in (
        (tmp_path, "no package dbt_expectations there"),
        (small / "packages" / PACKAGE, "this is our own package"),
    ):
        with pytest.raises(MbpError, match=reason):
            swap(small, True, str(folder))
    with pytest.raises(MbpError, match="--from names a public package"):
        swap(small, False, str(tmp_path))
    assert tree(small) == before


def test_refuses_a_project_without_the_variable(small: Path) -> None:
    project = json.loads((small / "dbt_project.yml").read_text(encoding="utf-8"))
    write(small, {"dbt_project.yml": project | {"vars": {}}})
    with pytest.raises(MbpError, match=r'Cure: add `"dbt_date:time_zone": UTC` under vars'):
        swap(small, True)


def test_refuses_to_go_on_after_a_swap_that_was_killed(
    small: Path, stand_in: Callable[..., Path]
) -> None:
    (small / SET_ASIDE).mkdir()
    before = tree(small)
    with pytest.raises(MbpError, match="a swap that was killed"):
        swap(small, True, str(stand_in()))
    assert tree(small) == before


PUBLIC = ["- package: metaplane/dbt_expectations", '  version: [">=1", "<2"]']
MIXED = """\
packages:
  # kept
  - package: dbt-labs/spark_utils
    version: 0.3.0
  - package: calogica/dbt_expectations
    version:
      - ">=0.9"
      - "<0.10"
  # kept too
  - local: packages/other
"""


def test_only_its_own_entry_is_exchanged() -> None:
    there = exchanged(MIXED, PUBLIC)
    assert yaml_io.plain(yaml_io.loads(there, shown_as="x"))["packages"][1] == {
        "package": "metaplane/dbt_expectations",
        "version": [">=1", "<2"],
    }
    assert there.count("# kept") == 2
    assert exchanged(exchanged(there, [OURS_ENTRY]), PUBLIC) == there


@pytest.mark.parametrize("text", ["packages: []\n", MIXED + "  - local: x/dbt_expectations\n"])
def test_refuses_none_and_several_entries(text: str) -> None:
    with pytest.raises(MbpError, match="expected one entry for dbt_expectations"):
        exchanged(text, PUBLIC)
