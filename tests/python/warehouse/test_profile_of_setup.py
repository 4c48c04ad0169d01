"""profiles.yml as `scripts/setup` leaves it: no way to overwrite the example, no loss of your own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mbp.cli.doctor.examine import examine
from mbp.cli.doctor.machine import MachineCheck, profile
from mbp.runs.dbt_process import profiles_folder
from mbp.warehouse.profile import is_copy_of_example, profiles_file, read_target

LOCKS = ("requirements.lock", "scripts/bootstrap.lock", "pyproject.toml")
EXAMPLE, OWN = "profiles.example.yml", "profiles.yml"
MINE = "mbp: {target: duckdb, outputs: {duckdb: {type: duckdb, path: mine.db}}}\n"


@pytest.fixture
def clone(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose environment is installed, so that setup only has the profile to do."""
    folder = tmp_path / "clone"
    for name in (*LOCKS, "scripts/setup", EXAMPLE, "dbt_project.yml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root / name, folder / name)
    content = b"".join((folder / name).read_bytes() for name in LOCKS)
    (folder / ".venv").mkdir()
    (folder / ".venv/.installed").write_text(hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DBT_PROFILES_DIR", "DBT_TARGET", "MBP_DUCKDB_PATH"):
        monkeypatch.delenv(name, raising=False)
    return folder


def setup(clone: Path, **variables: str) -> str:
    """What it said."""
    done = subprocess.run(
        ["bash", "scripts/setup"],
        cwd=clone,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in clone.glob(".profiles*")) == []
    return done.stderr


def git(clone: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=clone, check=True, capture_output=True)


def example_of(clone: Path) -> str:
    return (clone / EXAMPLE).read_text()


def change_example(clone: Path) -> None:
    text = example_of(clone).replace(
        "    postgres:\n", "    later:\n      type: duckdb\n    postgres:\n", 1
    )
    (clone / EXAMPLE).unlink()  # as git does: a new file
    (clone / EXAMPLE).write_text(text)


def test_a_fresh_clone_has_a_file_that_dbt_reads_as_the_example(clone: Path) -> None:
    setup(clone)
    own = clone / OWN
    assert not own.is_symlink()
    assert not own.samefile(clone / EXAMPLE)
    assert own.read_text().split("\n", 1)[1] == example_of(clone)
    assert is_copy_of_example(own)
    before = own.stat()
    setup(clone)
    assert own.stat() == before, "a second run changes nothing"


@pytest.mark.parametrize("first", ["setup", "nothing", "link"])
def test_the_example_can_be_copied_over_it(clone: Path, first: str) -> None:
    """What the example itself says to do."""
    if first == "link":
        (clone / OWN).symlink_to(EXAMPLE)
    if first != "nothing":
        setup(clone)
    example = example_of(clone)
    subprocess.run(["cp", EXAMPLE, OWN], cwd=clone, check=True)
    (clone / OWN).write_text(MINE)
    setup(clone)
    assert example_of(clone) == example
    assert (clone / OWN).read_text() == MINE


def test_writing_into_it_leaves_the_example_and_is_never_undone(clone: Path) -> None:
    setup(clone)
    example = example_of(clone)
    with (clone / OWN).open("a") as file:  # in place, as some editors do
        file.write("# mine\n")
    mine = (clone / OWN).read_text()
    change_example(clone)
    setup(clone)
    assert (clone / OWN).read_text() == mine
    assert "later" not in mine
    assert example in mine


@pytest.mark.parametrize("relative", [True, False])
def test_the_link_of_earlier_versions_becomes_a_copy(clone: Path, relative: bool) -> None:
    (clone / OWN).symlink_to(EXAMPLE if relative else clone / EXAMPLE)
    example = example_of(clone)
    assert "is now a copy" in setup(clone)
    assert is_copy_of_example(clone / OWN)
    assert not (clone / OWN).is_symlink()
    assert example_of(clone) == example


def test_what_was_written_through_the_link_becomes_ones_own(clone: Path) -> None:
    git(clone, "init")
    git(clone, "add", EXAMPLE)
    git(clone, "commit", "-m", "example")
    (clone / OWN).symlink_to(EXAMPLE)
    (clone / OWN).write_text(MINE)
    assert f"git checkout -- {EXAMPLE}" in setup(clone)
    git(clone, "checkout", "--", EXAMPLE)
    setup(clone)
    assert (clone / OWN).read_text() == MINE
    assert profiles_file(clone) == clone / OWN
    assert "postgres" in example_of(clone)


def test_a_profile_of_ones_own_is_never_touched(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yml").write_text(MINE)
    (clone / OWN).symlink_to(tmp_path / "elsewhere.yml")
    setup(clone)
    assert (clone / OWN).readlink() == tmp_path / "elsewhere.yml"
    (tmp_path / "elsewhere.yml").unlink()  # a disk that is not mounted
    setup(clone)
    assert (clone / OWN).is_symlink()
    assert not (tmp_path / "elsewhere.yml").exists()


def test_a_folder_of_profiles_elsewhere_needs_none_here(clone: Path, tmp_path: Path) -> None:
    setup(clone, DBT_PROFILES_DIR=str(tmp_path))
    assert not (clone / OWN).exists()


def test_a_new_target_reaches_who_has_no_profile_of_their_own(clone: Path) -> None:
    setup(clone)
    change_example(clone)
    assert read_target(clone, "later")[1]["type"] == "duckdb", "mbp reads the example itself"
    assert "later" in (profiles_folder(clone) / OWN).read_text(), "and so does its dbt"
    assert "later" not in (clone / OWN).read_text()
    assert EXAMPLE in setup(clone)
    assert "later" in (clone / OWN).read_text(), "and dbt by itself after setup"


def profile_check(clone: Path) -> MachineCheck:
    (one,) = profile(clone)
    return one


def test_the_doctor_names_a_link_and_an_old_copy(clone: Path) -> None:
    stale = ("finding", "run `make setup`")
    (clone / OWN).symlink_to(EXAMPLE)
    assert (one := profile_check(clone)) and (one.state, one.fix) == stale
    # The others take seconds: dbt is asked for its own checks.
    assert one in examine(clone, None).checks
    setup(clone)
    assert profile_check(clone).state == "note"
    change_example(clone)
    assert (one := profile_check(clone)) and (one.state, one.fix) == stale
    (clone / OWN).write_text(MINE)
    assert profile_check(clone).state == "good"
