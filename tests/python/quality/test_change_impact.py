"""What a reviewer is told of a change: who reads the column, how many rows break, whether masking ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mbp.contracts.registry.registry_check import check_all
from mbp.contracts.registry.registry_view import Impact, markdown, suite
from mbp.contracts.registry.version_check import Checked
from mbp.quality.change_impact import impacts
from mbp.runs.dbt_process import environment
from tests.python.built import Built

PARTS = ("contracts", "models", "tests/dbt/generic", "dbt_project.yml", "profiles.example.yml")
TODAY = date(2026, 11, 29)
Told = tuple[list[Checked], Mapping[tuple[str, str], Impact]]


@pytest.fixture
def root(project_root: Path, tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for part in PARTS:
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (project_root / part).is_dir() else shutil.copyfile
        copy(project_root / part, root / part)
    (root / "profiles.yml").write_text((root / "profiles.example.yml").read_text())
    return root


def edit(root: Path, dataset: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the columns of a contract, by name."""
    path = root / "contracts" / "a106" / f"{dataset}.odcs.yaml"
    yaml = YAML()
    document = yaml.load(path)
    change({column["name"]: column for column in document["schema"][0]["properties"]})
    yaml.dump(document, path)


def told(root: Path, settings: Mapping[str, str]) -> Told:
    with environment(settings):
        checked = check_all(root, [], None, today=TODAY)
        return checked, impacts(root, checked)


def of(found: Told, code: str) -> Impact:
    (impact,) = [
        found[1][result.dataset, judged.fingerprint]
        for result in found[0]
        for judged in result.news
        if judged.change.code == code
    ]
    return impact


def test_readers_rows_and_masking_are_told_of_what_changed_alone(root: Path, built: Built) -> None:
    edit(
        root,
        "mbp_abuse_events",
        lambda columns: (
            columns["details"]["logicalTypeOptions"].update(maxLength=3),
            columns["user_id_hash"].update(classification="internal"),
        ),
    )
    edit(root, "mbp_quotes", lambda columns: columns["depth_2pct"].update(description="Depth."))
    target = built.artifacts("duckdb")
    found = told(root, {**built.settings["duckdb"], "DBT_TARGET_PATH": str(target)})

    tightened = of(found, "max_length_tightened")
    assert tightened.readers is not None
    assert {"rule mbp_abuse_events_details_length", "exposure pre_ga_gate"} <= set(
        tightened.readers
    )
    assert not [name for name in tightened.readers if name.startswith("metric")]
    assert tightened.notes == ("13 rows of the duckdb warehouse would be invalid",)
    assert str(tightened.row["details"]).startswith("…")
    assert str(tightened.row["abuse_event_id"]).startswith("abu-")

    lowered = of(found, "classification_lowered")
    assert lowered.notes == (
        "masking ends: every reader sees the values of mbp_abuse_events.user_id_hash",
        "SEC must approve",
    )
    assert of(found, "description_changed") == Impact()

    view = markdown(*found)
    assert "## mbp_markets" not in view and "## mbp_resolutions" not in view
    assert view.count("mbp_abuse_events.details.maxLength: The limit") == 1
    records = suite(*found).extra["datasets"]
    assert [one["dataset"] for one in records if one["changes"]] == [
        "mbp_abuse_events",
        "mbp_quotes",
    ]


def test_what_cannot_be_measured_is_told(root: Path, tmp_path: Path) -> None:
    edit(
        root,
        "mbp_quotes",
        lambda columns: columns["volume"]["logicalTypeOptions"].update(minimum=1),
    )
    nowhere = {"MBP_DUCKDB_PATH": str(tmp_path / "none.duckdb"), "DBT_TARGET_PATH": str(tmp_path)}
    impact = of(told(root, nowhere), "minimum_raised")
    assert impact.readers is None
    assert "were not counted" in impact.notes[0]
    assert impact.row == {}


def test_the_values_of_a_column_that_stays_closed_stay_masked(root: Path, tmp_path: Path) -> None:
    edit(
        root,
        "mbp_resolutions",
        lambda columns: columns["decided_by_hash"].update(classification="confidential"),
    )
    impact = of(told(root, {"DBT_TARGET_PATH": str(tmp_path)}), "classification_lowered")
    assert impact.notes[0] == "the values of mbp_resolutions.decided_by_hash stay masked"
    assert impact.notes[1].endswith("SEC must approve")
