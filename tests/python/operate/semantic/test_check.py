"""`mbp metrics check`: A87 and the parsed semantic layer say the same, or the difference is told."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.operate.semantic.metrics_check import MANIFEST, check, metrics_of
from mbp.runs.dbt_process import environment
from tests.python.built import Built
from tests.python.operate.semantic.conftest import artifacts

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def parsed(built: Built) -> Manifest:
    text = (artifacts(built, "duckdb") / MANIFEST).read_text(encoding="utf-8")
    found: Manifest = json.loads(text)
    return found


def judged(root: Path, folder: Path, manifest: Manifest | str) -> list[str]:
    """Code and subject of every finding on a manifest."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    with environment({"DBT_TARGET_PATH": str(folder)}):
        suite = check(root)
    assert suite.failed is bool(suite.findings)
    return [f"{one.code} {one.subject}" for one in suite.findings]


def metric(manifest: Manifest, name: str) -> Any:
    return next(one for one in manifest["metrics"] if one["name"] == name)


def test_they_say_the_same_and_are_counted(
    project_root: Path, tmp_path: Path, parsed: Manifest
) -> None:
    assert judged(project_root, tmp_path, parsed) == []
    expected = metrics_of(project_root)
    assert len(expected) > 20
    with environment({"DBT_TARGET_PATH": str(tmp_path)}):
        counts = check(project_root).extra["semantic_layer"]
    # A quotient has two parts beside itself.
    assert counts == {
        "a87_metrics": len(expected),
        "metrics": len(expected) + 2,
        "semantic_models": len(parsed["semantic_models"]),
        "saved_queries": 4,
    }


def forget_a_metric(manifest: Manifest) -> None:
    manifest["metrics"].remove(metric(manifest, "depth"))


def forget_a_part(manifest: Manifest) -> None:
    manifest["metrics"].remove(metric(manifest, "abuse_rate_denominator"))


def add_a_metric_of_ones_own(manifest: Manifest) -> None:
    manifest["metrics"].append({**metric(manifest, "depth"), "name": "my_depth"})


def tell_another_definition(manifest: Manifest) -> None:
    metric(manifest, "price")["config"]["meta"]["definition"] = "The newest price."


def tell_another_unit(manifest: Manifest) -> None:
    metric(manifest, "kpi_cdc_lag_p95")["config"]["meta"]["unit"] = "ms"


def tell_another_owner(manifest: Manifest) -> None:
    metric(manifest, "abuse_rate")["config"]["meta"]["owner"] = "PM"


def tell_no_meta(manifest: Manifest) -> None:
    metric(manifest, "market_state")["config"] = None


def take_another_measure(manifest: Manifest) -> None:
    metric(manifest, "traded_volume")["type_params"]["measure"]["name"] = "median_depth"


def take_the_best_window(manifest: Manifest) -> None:
    metric(manifest, "kpi_twap_divergence")["type_params"]["measure"]["name"] = "lowest_window"


def forget_the_filter(manifest: Manifest) -> None:
    metric(manifest, "kpi_depth_2pct")["filter"] = None


def forget_what_a_saved_query_is_for(manifest: Manifest) -> None:
    manifest["saved_queries"][0]["description"] = " "


BAD: list[tuple[Callable[[Manifest], None], list[str]]] = [
    (forget_a_metric, ["SEM-001 depth"]),
    (forget_a_part, ["SEM-001 abuse_rate_denominator"]),
    (add_a_metric_of_ones_own, ["SEM-002 my_depth"]),
    (tell_another_definition, ["SEM-003 price"]),
    (tell_another_unit, ["SEM-003 kpi_cdc_lag_p95"]),
    (tell_another_owner, ["SEM-003 abuse_rate"]),
    (tell_no_meta, ["SEM-003 market_state"] * 7),
    (take_another_measure, ["SEM-004 traded_volume"]),
    (take_the_best_window, ["SEM-004 kpi_twap_divergence"]),
    (forget_the_filter, ["SEM-004 kpi_depth_2pct"]),
    (forget_what_a_saved_query_is_for, ["SEM-005 "]),
]


@pytest.mark.parametrize(("spoil", "expected"), BAD, ids=[one.__name__ for one, _ in BAD])
def test_a_difference_is_told(
    project_root: Path,
    tmp_path: Path,
    parsed: Manifest,
    spoil: Callable[[Manifest], None],
    expected: list[str],
) -> None:
    manifest = copy.deepcopy(parsed)
    spoil(manifest)
    found = judged(project_root, tmp_path, manifest)
    if expected == ["SEM-005 "]:
        expected = [f"SEM-005 {manifest['saved_queries'][0]['name']}"]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"semantic_models": [], "metrics": []}', "parsed into no semantic models at all"),
        ('{"semantic_models": [{}], "metrics": []}', "parsed into no metrics at all"),
        ('{"metrics": [{}]}', "is no semantic manifest"),
        ("[]", "is no semantic manifest"),
        ("{", "cannot be read"),
    ],
)
def test_a_manifest_with_nothing_in_it_is_no_pass(
    project_root: Path, tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(MbpError, match=told):
        judged(project_root, tmp_path, text)


def test_a_missing_manifest_is_no_pass(project_root: Path, tmp_path: Path) -> None:
    with (
        environment({"DBT_TARGET_PATH": str(tmp_path)}),
        pytest.raises(MbpError, match=r"there is no semantic manifest.*dbt parse"),
    ):
        check(project_root)


def test_a_stale_manifest_is_no_pass(project_root: Path, tmp_path: Path, parsed: Manifest) -> None:
    assert judged(project_root, tmp_path, parsed) == []
    os.utime(tmp_path / MANIFEST, (1, 1))
    with (
        environment({"DBT_TARGET_PATH": str(tmp_path)}),
        pytest.raises(MbpError, match=r"is older than .*dbt parse"),
    ):
        check(project_root)


def test_the_worst_window_follows_the_target(project_root: Path) -> None:
    measures = {one.name: one.measures for one in metrics_of(project_root)}
    assert measures["kpi_error_budget_burn"] == ("highest_window",)
    assert measures["kpi_schema_drift"] == ("highest_window",)
    assert measures["kpi_audit_coverage"] == ("lowest_window",)
    assert measures["abuse_rate"] == ("flagged_events", "hours")
