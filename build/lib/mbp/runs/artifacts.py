"""What the artifacts of a run of dbt claim: manifest.json and run_results.json -> `Claim`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.policy import NOT_DEMANDED, load_policy
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.runs.claims import UNSAID, Claim, Objection, Way
from mbp.runs.contents import changed_files
from mbp.runs.run_control import NODE_KINDS
from mbp.runs.whole import covered_nodes, exception_flaws, settings_flaws

NAMED = 3
FIX = "run `mbp build` again"


def moment_of(artifact: Mapping[str, Any], key: str, name: str) -> datetime:
    """An instant in the metadata of an artifact, in UTC.

    Raises:
        MbpError: it is not there, or not readable.
    """
    text = str((artifact.get("metadata") or {}).get(key) or "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        what = f"metadata.{key} is {text!r}, expected a timestamp"
        raise MbpError(what, path=name, fix=FIX) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def claim_of_run(
    root: Path,
    manifest: Mapping[str, Any],
    run_results: Mapping[str, Any],
    *,
    target: str,
    unmeasurable: Mapping[str, str],
) -> Claim:
    """What the last run of dbt says of itself.

    Args:
        target: of the reader; dbt does not write down a target that was not named.
        unmeasurable: rule id -> why the source cannot show it; no run has to cover it.

    Raises:
        MbpError: an artifact without its times, or a policy that cannot be read.
    """
    began = moment_of(run_results, "invocation_started_at", "run_results.json")
    policy, today = load_policy(root), datetime.now(UTC).date()
    excused = {**policy.excused(today), **unmeasurable}
    not_demanded = [exception for exception in policy.exceptions if exception.code == NOT_DEMANDED]
    invocation = (run_results.get("metadata") or {}).get("invocation_id")
    return Claim(
        began_at=began,
        ended_at=moment_of(run_results, "generated_at", "run_results.json"),
        target=str((run_results.get("args") or {}).get("target") or target),
        warehouse=UNSAID,
        invocation=str(invocation),
        nodes=covered_nodes(manifest, run_results, excused),
        flaws=(
            *_flaws(root, manifest, run_results, began),
            *exception_flaws(manifest, not_demanded, today),
        ),
    )


def _flaws(
    root: Path, manifest: Mapping[str, Any], run_results: Mapping[str, Any], began: datetime
) -> Iterator[Objection]:
    read_at = min(began, moment_of(manifest, "generated_at", "manifest.json"))
    unknown = sorted(_unknown(manifest, run_results))
    if unknown:
        yield Objection(
            Way.RUN,
            f"{len(unknown)} results are of nodes that the manifest does not have, e.g. {unknown[0]}",
        )
    ids = {
        (artifact.get("metadata") or {}).get("invocation_id")
        for artifact in (manifest, run_results)
    }
    if len(ids) != 1 or None in ids:
        yield Objection(Way.RUN, "manifest.json is of another dbt command than run_results.json")
    changed = changed_files(root, manifest, read_at)
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        yield Objection(
            Way.SOURCE,
            f"of another source: changed since the run of {began:%Y-%m-%d %H:%M:%S} UTC began:"
            f" {', '.join(changed[:NAMED])}{more}",
        )
    yield from settings_flaws(manifest, run_results)


def _unknown(manifest: Mapping[str, Any], run_results: Mapping[str, Any]) -> Iterator[str]:
    known = {*manifest["nodes"], *manifest.get("unit_tests", {}), *manifest.get("functions", {})}
    for result in run_results["results"]:
        name = str(result["unique_id"])
        if name not in known and name.partition(".")[0] in NODE_KINDS:
            yield name


def read_artifact(folder: Path, name: str, root: Path) -> dict[str, Any]:
    """One of dbt's JSON artifacts.

    Raises:
        MbpError: missing, or not a JSON object with `metadata`.
    """
    path = folder / name
    place = shown(path, root)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MbpError(
            "is missing: there is no run to read", path=place, fix="run `mbp build`"
        ) from (error)
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, fix="run `mbp build` again") from (
            error
        )
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise MbpError("is not a dbt artifact", path=place, fix="run `mbp build` again")
    wrong = wrong_shape(name, document)
    if wrong:
        raise MbpError(wrong, path=place, fix="run `mbp build` again with dbt 1.11")
    for group in ("nodes", "unit_tests"):
        for unique_id, node in document.get(group, {}).items():
            node.setdefault("unique_id", unique_id)
    return document


def wrong_shape(name: str, document: Mapping[str, Any]) -> str | None:
    """The first thing in the artifact that is not where dbt puts it; None when all is.

    Checks only what this package reads.
    """
    if name == "run_results.json":
        results = document.get("results")
        if not isinstance(results, list):
            return f"results: expected a list, found {type(results).__name__}"
        for index, result in enumerate(results):
            for key in ("unique_id", "status"):
                if not isinstance(result, dict) or not isinstance(result.get(key), str):
                    return f"results[{index}].{key}: expected a text"
    if name == "manifest.json":
        for group in ("nodes", "unit_tests", "groups", "sources"):
            entries = document.get(group, None if group == "nodes" else {})
            needed = ("name", "resource_type") if group in ("nodes", "unit_tests") else ("name",)
            if not isinstance(entries, dict):
                return f"{group}: expected entries by id, found {type(entries).__name__}"
            for unique_id, entry in entries.items():
                for key in needed:
                    if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
                        return f"{group}.{unique_id}.{key}: expected a text"
    return None
