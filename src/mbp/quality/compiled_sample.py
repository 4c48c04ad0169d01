"""The project compiled by dbt on an empty scratch database: the SQL of every node."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbp.runs.dbt_process import demand, run_dbt
from mbp.runs.preflight import install_packages

# Of the seeds of raw tables, and of the schemas of loaded ones.
SEED_PREFIX = "raw_"


def compiled_sample(
    root: Path,
    engine: str,
    *,
    changes: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """The manifest with the SQL of every node, over the sample's raw tables on an empty scratch database.

    Args:
        root: the dbt project.
        engine: duckdb or postgres; postgres takes its connection from the environment or `changes`.
        changes: environment variables for dbt, e.g. the address of a scratch server.
        variables: of dbt.

    Raises:
        MbpError: dbt could not compile.
    """
    install_packages(root)
    with tempfile.TemporaryDirectory(prefix="mbp-prove-") as folder:
        scratch = Path(folder)
        settings = {
            # The sample is a replay: every fault is measured at the end of its data.
            "MBP_RAW": "sample",
            "MBP_NOW": "end_of_data",
            "MBP_DUCKDB_PATH": str(scratch / "mbp.duckdb"),
            **(changes or {}),
        }
        demand(
            run_dbt(
                root,
                ["compile", "--full-refresh", "--vars", json.dumps(variables or {})],
                target=engine,
                artifacts=scratch,
                changes=settings,
                quiet=True,
            )
        )
        text = (scratch / "target" / "manifest.json").read_text(encoding="utf-8")
    manifest: Mapping[str, Any] = json.loads(text)
    return manifest
