"""Whether the results in target/ are of the project as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp import moments
from mbp.errors import MbpError
from mbp.paths import shown

# What changes the verdicts. Python is not here: it computes no row.
WATCHED = (
    ("dbt_project.yml", "dbt_project.yml"),
    ("models", "**/*.sql"),
    ("models", "**/*.yml"),
    ("macros", "**/*.sql"),
    ("packages", "**/*.sql"),
    ("seeds", "**/*.csv"),
    ("tests/dbt", "**/*.sql"),
    ("tests/dbt", "**/*.yml"),
    ("contracts/a106", "**/*.yaml"),
)
NAMED = 3
# Exposures and the like stand in the results of a build too, elsewhere in the manifest.
RUN_KINDS = ("model", "seed", "snapshot", "test", "unit_test")


def generated_at(artifact: Mapping[str, Any], name: str) -> datetime:
    """When an artifact was written, in UTC.

    Raises:
        MbpError: no readable `metadata.generated_at`.
    """
    text = str((artifact.get("metadata") or {}).get("generated_at") or "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"metadata.generated_at is {text!r}, expected a timestamp",
            path=name,
            cure="run `mbp build` again",
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stale_reasons(
    root: Path, manifest: Mapping[str, Any], run_results: Mapping[str, Any], *, target: str | None
) -> list[str]:
    """Why the results may not describe the project: one line each, empty when they do.

    Args:
        root: the dbt project.
        manifest, run_results: dbt's artifacts.
        target: the dbt target that the reader asks about, None when any will do.
    """
    reasons: list[str] = []
    ran_at = generated_at(run_results, "run_results.json")
    told = ran_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    if why := moments.objection(ran_at, datetime.now(UTC), None):
        reasons.append(f"the results were written {why}")
    known = {*manifest["nodes"], *manifest.get("unit_tests", {})}
    unknown = [
        one["unique_id"]
        for one in run_results["results"]
        if one["unique_id"] not in known and one["unique_id"].partition(".")[0] in RUN_KINDS
    ]
    if unknown:
        reasons.append(
            f"{len(unknown)} results are of nodes that the manifest no longer has,"
            f" e.g. {sorted(unknown)[0]}"
        )
    changed = sorted(
        {
            shown(path, root)
            for folder, pattern in WATCHED
            for path in (
                [root / folder] if folder == pattern else sorted((root / folder).glob(pattern))
            )
            if path.is_file() and path.stat().st_mtime > ran_at.timestamp()
        }
    )
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        reasons.append(f"changed since the run of {told}: {', '.join(changed[:NAMED])}{more}")
    same_run = (manifest.get("metadata") or {}).get("invocation_id") == (
        run_results.get("metadata") or {}
    ).get("invocation_id")
    if not same_run and generated_at(manifest, "manifest.json") > ran_at and not reasons:
        reasons.append(f"the manifest is of a later dbt command than the run of {told}")
    ran_on = (run_results.get("args") or {}).get("target")
    if target and ran_on and ran_on != target:
        reasons.append(f"the results are of target {ran_on}, the rows below of {target}")
    return reasons
