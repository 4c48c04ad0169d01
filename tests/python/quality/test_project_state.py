"""What is kept of a project serves until a file, a variable that a file names, or a setting is another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.quality.measurable import project_state


def test_each_change_is_another_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: 1.0.0\n")
    model = tmp_path / "models/orders.sql"
    model.parent.mkdir()
    model.write_text("select '{{ env_var('SHOP_DAY') }}' as day")
    states = [project_state(tmp_path, {})]
    assert project_state(tmp_path, {}) == states[0]
    monkeypatch.setenv("SHOP_NIGHT", "no file names it")
    assert project_state(tmp_path, {}) == states[0]
    states.append(project_state(tmp_path, {"schema": "other"}))
    monkeypatch.setenv("SHOP_DAY", "monday")
    states.append(project_state(tmp_path, {}))
    model.write_text("select '{{ env_var('SHOP_DAY') }}' as day, 1 as one")
    states.append(project_state(tmp_path, {}))
    model.rename(model.with_name("sales.sql"))
    states.append(project_state(tmp_path, {}))
    assert len(set(states)) == len(states)
