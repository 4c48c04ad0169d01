"""One site for all its tests, around dbt docs of the project as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.release.website.write_site import write_site
from mbp.runs.dbt_process import demand, environment, run_dbt


@pytest.fixture(scope="session")
def dbt_target(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of artifacts with dbt docs; what is in the warehouse adds nothing to what is tested here."""
    folder = tmp_path_factory.mktemp("documented")
    generate = ["docs", "generate", "--static", "--no-compile", "--empty-catalog"]
    changes = {"MBP_DUCKDB_PATH": str(folder / "mbp.duckdb"), "MBP_RAW": "sample"}
    parsed = demand(run_dbt(project_root, ["parse"], artifacts=folder, changes=changes, quiet=True))
    demand(
        run_dbt(
            project_root,
            generate,
            artifacts=folder,
            changes=changes,
            manifest=parsed.result,
            quiet=True,
        )
    )
    return folder / "target"


@pytest.fixture(scope="session")
def site(project_root: Path, dbt_target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web") / "site"
    with environment({"DBT_TARGET_PATH": str(dbt_target)}):
        assert write_site(project_root, folder) == len(list(folder.rglob("*.html")))
    return folder
