"""A missing thing is found before dbt starts, and named with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.runs.preflight import check_seeds, packages_are_installed, raw_origin

PROPERTIES = "version: 2\n\nseeds:\n  - name: raw_mbp__markets\n  - name: raw_mbp__quotes\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MBP_RAW", raising=False)
    sample = tmp_path / "seeds" / "sample"
    sample.mkdir(parents=True)
    (sample / "_sample__seeds.gen.yml").write_text(PROPERTIES)
    for name in ("raw_mbp__markets", "raw_mbp__quotes"):
        (sample / f"{name}.csv").write_text("id\n1\n")
    return tmp_path


def test_seeds_with_their_files_pass(root: Path) -> None:
    check_seeds(root)


def test_a_missing_seed_is_named_with_the_line_that_wants_it(root: Path) -> None:
    (root / "seeds/sample/raw_mbp__quotes.csv").unlink()
    with pytest.raises(MbpError) as caught:
        check_seeds(root)
    assert str(caught.value) == (
        "seeds/sample/_sample__seeds.gen.yml:5: the seed 'raw_mbp__quotes' has no file"
        " seeds/sample/raw_mbp__quotes.csv. Fix: restore it from git or run `mbp simulate`"
    )


def test_loaded_data_needs_no_sample(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "seeds/sample/raw_mbp__quotes.csv").unlink()
    monkeypatch.setenv("MBP_RAW", "loaded")
    check_seeds(root)


def test_another_origin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_RAW", "both")
    with pytest.raises(MbpError, match="MBP_RAW is 'both'"):
        raw_origin()


def test_packages_are_installed_when_linked_and_locked(tmp_path: Path) -> None:
    assert packages_are_installed(tmp_path)
    (tmp_path / "packages.yml").write_text("packages:\n  - local: packages/dbt_expectations\n")
    assert not packages_are_installed(tmp_path)
    lock = tmp_path / "package-lock.yml"
    lock.write_text("packages: []\n")
    assert not packages_are_installed(tmp_path)
    (tmp_path / "dbt_packages" / "dbt_expectations").mkdir(parents=True)
    assert not packages_are_installed(tmp_path), "the lock is of other packages"
    lock.write_text(
        "packages:\n  - local: packages/dbt_expectations\n    name: dbt_expectations\nsha1_hash: x\n"
    )
    assert packages_are_installed(tmp_path)
    # A checkout may write the lock first.
    later = lock.stat().st_mtime + 10
    os.utime(tmp_path / "packages.yml", (later, later))
    assert packages_are_installed(tmp_path)
    (tmp_path / "packages.yml").write_text(
        "packages:\n  - package: metaplane/dbt_expectations\n    version: 0.10.9\n"
    )
    assert not packages_are_installed(tmp_path), "it was swapped"
