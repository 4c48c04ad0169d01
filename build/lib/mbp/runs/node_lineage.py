"""What comes after a dataset, by the manifest of dbt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import target_path


def affected_by(root: Path, datasets: Sequence[str]) -> dict[str, list[str]] | None:
    """Dataset -> models and exposures that come after it; None without a manifest of dbt."""
    try:
        manifest = read_artifact(target_path(root), "manifest.json", root)
    except MbpError:
        return None
    nodes = {**manifest["nodes"], **manifest.get("exposures", {})}
    children: dict[str, list[str]] = {}
    for unique_id, node in nodes.items():
        for parent in (node.get("depends_on") or {}).get("nodes", []):
            children.setdefault(parent, []).append(unique_id)
    results: dict[str, list[str]] = {}
    for dataset in datasets:
        start = next(
            (
                key
                for key, node in nodes.items()
                if node.get("resource_type") == "model" and node.get("name") == dataset
            ),
            None,
        )
        seen: set[str] = set()
        waiting = [start] if start else []
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in seen and child.partition(".")[0] in ("model", "exposure"):
                    seen.add(child)
                    waiting.append(child)
        results[dataset] = sorted(f"{key.partition('.')[0]} {nodes[key]['name']}" for key in seen)
    return results
