"""One site for all its tests, around dbt docs of the project as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from mbp.release.website.write_site import write_site
from mbp.runs.dbt_process import demand, environment, run_dbt


@pytest.fixture(scope="session")
def dbt_target(project_root: Path, shared: Path) -> Path:
    """A folder of artifacts with dbt docs; what is in the warehouse adds nothing to what is tested here."""
    with made_once(shared / "documented") as folder:
        if folder:
            generate = ["docs", "generate", "--static", "--no-compile", "--empty-catalog"]
            changes = {"MBP_DUCKDB_PATH": str(folder / "mbp.duckdb"), "MBP_RAW": "sample"}
            given: dict[str, Any] = {"artifacts": folder, "changes": changes, "quiet": True}
            parsed = demand(run_dbt(project_root, ["parse"], **given))
            demand(run_dbt(project_root, generate, manifest=parsed.result, **given))
    return shared / "documented" / "target"


@pytest.fixture(scope="session")
def site(project_root: Path, dbt_target: Path, shared: Path) -> Path:
    with made_once(shared / "web") as folder:
        if folder:
            with environment({"DBT_TARGET_PATH": str(dbt_target)}):
                written = write_site(project_root, folder / "site")
            assert written == len(list(folder.rglob("*.html")))
    return shared / "web" / "site"


@contextmanager
def made_once(folder: Path) -> Iterator[Path | None]:
    """Where to make a folder for all processes of the run; None when one of them has made it."""
    with FileLock(folder.with_suffix(".lock")):
        if folder.is_dir():
            yield None
            return
        part = folder.with_suffix(".part")
        part.mkdir(exist_ok=True)
        yield part
        # Whole or not at all.
        part.rename(folder)
