"""How much is built, and that whatever stands in the way of a slim build makes a full one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.ci import ci_steps as planning
from mbp.release.ci.ci_steps import copy_warehouse, make_plan
from tests.python.release.ci.reports import BASE, Run


@pytest.fixture
def stored(run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    (run.base / "mbp.duckdb").write_bytes(b"rows")
    monkeypatch.setattr(planning, "_modified", lambda *_: ("model.mbp.mbp_quotes",))
    monkeypatch.setattr(planning, "_contracts_changed", lambda *_: False)
    return run.base


def test_what_is_modified_is_built_on_a_copy(stored: Path, tmp_path: Path) -> None:
    assert make_plan(tmp_path, stored, BASE).mode == "slim"
    copy_warehouse(stored, tmp_path / "mbp.duckdb")
    assert (tmp_path / "mbp.duckdb").read_bytes() == b"rows"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda base: (base / "commit.txt").unlink(), "no stored build"),
        (lambda base: (base / "commit.txt").write_text("c" * 40), "another commit"),
        (lambda base: (base / "manifest.json").unlink(), "no manifest"),
    ],
)
def test_without_the_stored_build_everything_is_built(
    stored: Path, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(stored)
    plan = make_plan(tmp_path, stored, BASE)
    assert (plan.mode, plan.modified) == ("full", None)
    assert told in plan.reason


def test_without_the_warehouse_of_the_base_the_change_is_known_all_the_same(
    stored: Path, tmp_path: Path
) -> None:
    (stored / "mbp.duckdb").unlink()
    plan = make_plan(tmp_path, stored, BASE)
    assert (plan.mode, plan.modified) == ("full", ("model.mbp.mbp_quotes",))
    assert "no warehouse" in plan.reason


def test_a_changed_contract_demands_everything(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_contracts_changed", lambda *_: True)
    plan = make_plan(tmp_path, stored, BASE)
    assert (plan.mode, plan.modified) == ("full", ("model.mbp.mbp_quotes",))


def test_nothing_modified_is_not_nothing_to_check(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_modified", lambda *_: ())
    assert make_plan(tmp_path, stored, BASE).mode == "full"


def test_a_warehouse_of_another_name_is_refused(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(MbpError, match=r"name it mbp\.duckdb"):
        copy_warehouse(stored, tmp_path / "other.duckdb")
