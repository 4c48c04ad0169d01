"""dbt-bouncer.yml: the project keeps its conventions, and a project that breaks one is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.python.built import Built

Manifest = dict[str, Any]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def manifest(built: Built) -> str:
    return (built.artifacts("duckdb") / "manifest.json").read_text()


def judged(project_root: Path, folder: Path, manifest: Manifest) -> tuple[int, str]:
    """Exit code and report of dbt-bouncer on a manifest."""
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "dbt-bouncer.yml").write_text((project_root / "dbt-bouncer.yml").read_text())
    report = folder / "report.json"
    finished = subprocess.run(
        [
            *(str(BIN / "dbt-bouncer"), "--config-file", "dbt-bouncer.yml"),
            *("--output-file", str(report), "--output-format", "json"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, report.read_text() if report.exists() else finished.stdout


def test_the_project_keeps_them(project_root: Path, tmp_path: Path, manifest: str) -> None:
    code, report = judged(project_root, tmp_path, json.loads(manifest))
    assert code == 0, report


def node(manifest: Manifest, name: str) -> Any:
    return manifest["nodes"][f"model.mbp.{name}"]


def drop_contract(manifest: Manifest) -> None:
    node(manifest, "mbp_quotes")["contract"]["enforced"] = False
    node(manifest, "mbp_quotes")["config"]["contract"]["enforced"] = False


def make_staging_a_table(manifest: Manifest) -> None:
    node(manifest, "stg_mbp__quotes")["config"]["materialized"] = "table"


def rename_staging(manifest: Manifest) -> None:
    node(manifest, "stg_mbp__quotes")["name"] = "staging_quotes"


def hide_a_dataset(manifest: Manifest) -> None:
    node(manifest, "mbp_trades")["access"] = "protected"
    node(manifest, "mbp_trades")["config"]["access"] = "protected"


def forget_a_description(manifest: Manifest) -> None:
    node(manifest, "int_mbp__quotes_twap")["description"] = ""


def read_raw_in_a_mart(manifest: Manifest) -> None:
    node(manifest, "mbp_quotes")["depends_on"]["nodes"].append("seed.mbp.raw_mbp__quotes")


def skip_a_layer(manifest: Manifest) -> None:
    node(manifest, "mbp_quotes")["depends_on"]["nodes"].append("model.mbp.stg_mbp__quotes")


def orphan_a_test(manifest: Manifest) -> None:
    test = next(one for one in manifest["nodes"].values() if one["name"] == "mbp_resolutions_fk")
    test["meta"] = test["config"]["meta"] = {}


def expose_a_private_model(manifest: Manifest) -> None:
    exposure = manifest["exposures"]["exposure.mbp.pre_ga_gate"]
    exposure["depends_on"]["nodes"].append("model.mbp.int_mbp__quotes_latest")


BREACHES: list[tuple[Callable[[Manifest], None], str]] = [
    (drop_contract, "check_model_contract_enforced_for_public_model"),
    (make_staging_a_table, "check_model_materialization_permitted"),
    (rename_staging, "check_model_names"),
    (hide_a_dataset, "check_model_access"),
    (forget_a_description, "check_model_description_populated"),
    (read_raw_in_a_mart, "check_lineage_seed_cannot_be_used"),
    (skip_a_layer, "check_lineage_permitted_upstream_models"),
    (orphan_a_test, "check_test_has_meta_keys"),
    (expose_a_private_model, "check_exposure_based_on_non_public_models"),
]


def test_each_breach_is_told(project_root: Path, tmp_path: Path, manifest: str) -> None:
    """All in one project; `test_the_project_keeps_them` shows that it has none of its own."""
    broken = json.loads(manifest)
    for breach, _ in BREACHES:
        breach(broken)
    code, report = judged(project_root, tmp_path, broken)
    assert code == 1
    # dbt-bouncer 4.3 trips over its own message for a forbidden materialisation; it still fails.
    failed = [one["check_run_id"] for one in json.loads(report) if one["outcome"] != "success"]
    for breach, check in BREACHES:
        assert any(name.startswith(check) for name in failed), (breach.__name__, failed)
