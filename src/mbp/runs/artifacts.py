"""What the artifacts of a run of dbt claim: manifest.json and run_results.json -> `Claim`.

Whether it covered the whole project (its results against the nodes of the manifest), and whether the files are as it
read them: by content where the manifest has it, else by time.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.contracts.policy import NOT_DEMANDED, load_policy
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.runs.claims import UNSAID, Claim, Nodes, Objection, Way
from mbp.runs.preflight import SAMPLE, raw_origin
from mbp.runs.run_control import NODE_KINDS, nodes_digest

NAMED = 3
FIX = "run `mbp build` again"
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
# A file of these that the manifest does not know is new, whatever its time.
ALL_IN_MANIFEST = (("models", ".sql"), ("seeds", ".csv"))
# Arguments of dbt that leave nodes out, whether an option or a variable (DBT_RESOURCE_TYPES and the like) gave them.
SELECTING = ("select", "exclude", "selector", "resource_types", "exclude_resource_types")
# Arguments with which the nodes of the project run, and do not do what the project says.
OTHER_SETTINGS = {
    "empty": "it read no rows",
    "sample": "it read a part of the rows",
    "event_time_start": "it read a part of the rows",
    "event_time_end": "it read a part of the rows",
    "vars": "variables are not those of dbt_project.yml",
    "defer": "it read relations of another place",
}


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


def changed_files(root: Path, manifest: Mapping[str, Any], since: datetime) -> list[str]:
    """Paths of the files that changed since the manifest was made, sorted.

    Args:
        manifest: dbt's, with the checksum of models and seeds and the text of macros.
        since: when dbt began to read the project; a change of a file without a checksum (YAML) shows in its time.
    """
    checksums = dict(_checksums(manifest))
    changed = {name for name in checksums if not (root / name).is_file()}
    for path in _watched(root):
        name = shown(path, root)
        if name in checksums:
            # With its line ends, but without white space around: so dbt counts.
            content = path.read_bytes().decode("utf-8", errors="replace").strip().encode()
            if hashlib.sha256(content).hexdigest() != checksums[name]:
                changed.add(name)
        elif path.stat().st_mtime > since.timestamp() or (checksums and _is_new(name)):
            changed.add(name)
    changed.update(_changed_macros(root, manifest))
    return sorted(changed)


def _watched(root: Path) -> Iterator[Path]:
    for folder, pattern in WATCHED:
        paths = [root / folder] if folder == pattern else sorted((root / folder).glob(pattern))
        yield from (path for path in paths if path.is_file())


def _is_new(name: str) -> bool:
    return any(
        name.startswith(f"{folder}/") and name.endswith(end) for folder, end in ALL_IN_MANIFEST
    )


def _checksums(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, SHA-256) of each file that is one node; a large seed has none."""
    project = (manifest.get("metadata") or {}).get("project_name")
    disabled = (node for nodes in (manifest.get("disabled") or {}).values() for node in nodes)
    for node in (*manifest["nodes"].values(), *disabled):
        checksum = node.get("checksum") or {}
        path = node.get("original_file_path")
        own = project is None or node.get("package_name", project) == project
        if own and path and checksum.get("name") == "sha256" and checksum.get("checksum"):
            yield path, checksum["checksum"]


def _changed_macros(root: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files of the project's macros that no longer have the text which dbt read."""
    project = (manifest.get("metadata") or {}).get("project_name")
    texts: dict[str, str] = {}
    for macro in (manifest.get("macros") or {}).values():
        name, sql = macro.get("original_file_path"), macro.get("macro_sql")
        if macro.get("package_name") != project or not name or not sql:
            continue
        path = root / name
        if name not in texts:
            texts[name] = path.read_text(encoding="utf-8") if path.is_file() else ""
        if sql.strip() not in texts[name]:
            yield name


def covered_nodes(
    manifest: Mapping[str, Any], run_results: Mapping[str, Any], excused: Mapping[str, str]
) -> Nodes:
    """What the run covered of what the project has.

    Args:
        excused: unique id or rule id -> why no run has to cover it.

    Raises:
        MbpError: `MBP_RAW` holds an unknown word.
    """
    ids = {str(result["unique_id"]) for result in run_results["results"]}
    disabled = _disabled(manifest)
    demanded = {
        name
        for name, node in {**_enabled(manifest), **disabled}.items()
        if name not in excused and rule_of(node) not in excused
    }
    missing = demanded - ids
    detail = ""
    if missing:
        kinds = Counter(name.partition(".")[0] for name in missing)
        amounts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        detail = f"{amounts} without a result, such as {min(missing)}"
        off = len(missing & disabled.keys())
        detail += f"; {off} disabled" if off else ""
        detail += "".join(f"; {note}" for note in _selecting(run_results))
    return Nodes(len(demanded & ids), len(demanded), nodes_digest(ids), detail)


def rule_of(node: Mapping[str, Any]) -> str:
    """The rule of the contracts that a test carries; its own name without one."""
    meta = (node.get("config") or {}).get("meta") or {}
    return str(meta.get("rule_id") or node["name"])


def exception_flaws(
    manifest: Mapping[str, Any], exceptions: Sequence[AllowedException], today: date
) -> Iterator[Objection]:
    """Exceptions from coverage (`NOT_DEMANDED`) that expired, or whose node or rule the project does not have."""
    nodes = {**_enabled(manifest), **_disabled(manifest)}
    objects = {*nodes, *map(rule_of, nodes.values())}
    for finding in exception_findings(exceptions, today, objects=objects):
        yield Objection(Way.RUN, f"{finding.place}: {finding.message}; {finding.fix}")


def settings_flaws(
    manifest: Mapping[str, Any], run_results: Mapping[str, Any]
) -> Iterator[Objection]:
    """What makes all results void: arguments that change what the nodes do, and other raw rows than asked for."""
    arguments = run_results.get("args") or {}
    for name, meaning in OTHER_SETTINGS.items():
        if arguments.get(name):
            option = f"--{name.replace('_', '-')}"
            yield Objection(Way.SETTINGS, f"the run was made with {option}: {meaning}")
    if raw_origin() != SAMPLE and any(_of_sample(node) for node in manifest["nodes"].values()):
        yield Objection(Way.DATA, "the run was of the sample, and MBP_RAW says loaded")


def _enabled(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Nodes that a build gives a result."""
    nodes = {
        **manifest["nodes"],
        **(manifest.get("unit_tests") or {}),
        **(manifest.get("functions") or {}),
    }
    return {
        name: node
        for name, node in nodes.items()
        if node["resource_type"] in NODE_KINDS
        and (node.get("config") or {}).get("materialized") != "ephemeral"
    }


def _disabled(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Nodes that are switched off, less the sample where rows are loaded: there it has to be off, with its tests."""
    nodes = {
        name: node
        for name, several in (manifest.get("disabled") or {}).items()
        for node in several
        if node["resource_type"] in NODE_KINDS and name not in manifest["nodes"]
    }
    if raw_origin() == SAMPLE:
        return nodes
    sample = {name for name, node in nodes.items() if _of_sample(node)}
    return {
        name: node
        for name, node in nodes.items()
        if name not in sample
        and not sample.intersection((node.get("depends_on") or {}).get("nodes") or ())
    }


def _of_sample(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] == "seed" and SAMPLE in (node.get("fqn") or ())


def _selecting(run_results: Mapping[str, Any]) -> Iterator[str]:
    arguments = run_results.get("args") or {}
    for name in SELECTING:
        value = arguments.get(name)
        if value:
            words = value if isinstance(value, str) else " ".join(str(word) for word in value)
            yield f"--{name.replace('_', '-')} {words}"
