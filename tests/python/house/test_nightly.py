"""What is left to the night is named, with a reason, and something stands in for it by day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbp.core import yaml_io

TESTS = Path(__file__).parents[1]
ENTRIES: list[dict[str, Any]] = yaml_io.load(TESTS / "nightly.yaml")


def exists(name: str, root: Path) -> bool:
    """Whether a test file, a test of one, or a script is there."""
    file, _, test = name.partition("::")
    if file.startswith("scripts/"):
        return (root / file).is_file()
    path = TESTS / file
    return path.is_file() and f"def {test}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["tests"][0])
def test_an_entry_names_what_exists(entry: dict[str, Any], project_root: Path) -> None:
    assert entry["why"]
    assert set(entry) <= {"tests", "only", "why", "by_day"}
    for name in (*entry["tests"], entry["by_day"]):
        assert exists(name, project_root), name


def test_what_stands_in_by_day_runs_by_day() -> None:
    whole = {name for entry in ENTRIES if "only" not in entry for name in entry["tests"]}
    for entry in ENTRIES:
        assert not entry["by_day"].startswith(tuple(whole)), entry["by_day"]


def test_the_mark_reaches_those_tests_and_no_others(request: pytest.FixtureRequest) -> None:
    """As far as this run collected them."""
    named = [name for entry in ENTRIES for name in entry["tests"]]
    for item in request.session.items:
        listed = item.nodeid.removeprefix("tests/python/").startswith(tuple(named))
        assert listed or item.get_closest_marker("nightly") is None, item.nodeid


def test_some_machine_runs_them_every_night(project_root: Path) -> None:
    workflow = (project_root / ".github/workflows/nightly.yml").read_text(encoding="utf-8")
    assert "make test-nightly" in workflow
    assert '-m "nightly or hypothesis"' in (project_root / "Makefile").read_text(encoding="utf-8")
