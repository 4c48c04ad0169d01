"""dbt-bouncer.yml: the project keeps its conventions, and a project that breaks one is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mbp.runs.dbt_process import run_dbt

Manifest = dict[str, Any]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def manifest(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("parsed")
    outcome = run_dbt(project_root, ["parse"], artifacts=folder, quiet=True)
    assert outcome.success, outcome.problem
    return (folder / "target" / "manifest.json").read_text()


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
    node(manifest, "mbp_quotes")["access"] = "protected"
    node(manifest, "mbp_quotes")["config"]["access"] = "protected"


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


@pytest.mark.parametrize(("breach", "check"), BREACHES, ids=[one.__name__ for one, _ in BREACHES])
def test_a_breach_is_told(
    project_root: Path,
    tmp_path: Path,
    manifest: str,
    breach: Callable[[Manifest], None],
    check: str,
) -> None:
    broken = json.loads(manifest)
    breach(broken)
    code, report = judged(project_root, tmp_path, broken)
    assert code == 1
    # dbt-bouncer 4.3 trips over its own message for a forbidden materialisation; it still fails.
    failed = [one for one in json.loads(report) if one["outcome"] != "success"]
    assert failed
    assert any(one["check_run_id"].startswith(check) for one in failed), failed
