"""Whether a run of dbt covered the whole project: its results against the nodes of the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.runs.claims import Nodes, Objection, Way
from mbp.runs.preflight import SAMPLE, raw_origin
from mbp.runs.run_control import NODE_KINDS, nodes_digest

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
