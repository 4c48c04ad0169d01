"""Nodes of the build that failed: file, owner and the first lines of the error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mbp.release.ci.comment_parts import literal
from mbp.release.ci.part_rules import Veil

# Of dbt; what failed because of them is `skipped`.
FAILED = ("error", "fail", "runtime error")
# Lines of an error that a reader needs; dbt's first one only names the node again.
MOST_LINES = 4


def failed_nodes(
    results: Sequence[Mapping[str, Any]], nodes: Mapping[str, Any], veil: Veil
) -> Iterator[str]:
    """A bullet per failed node, in the order in which they ran.

    Args:
        results: of run_results.json.
        nodes: of the manifest; a node that is not there is named by its id.
    """
    for result in results:
        if result.get("status") not in FAILED:
            continue
        name = str(result.get("unique_id", ""))
        node = _mapping(nodes.get(name))
        owner = _mapping(_mapping(node.get("config")).get("meta")).get("owner")
        file = node.get("original_file_path")
        place = f" in {literal(file)}" if file else ""
        whose = f", owner {literal(owner)}" if owner else ""
        lines = [line.strip() for line in str(result.get("message") or "").splitlines()]
        shown = [f"  - {literal(veil.over('', line))}" for line in lines if line][:MOST_LINES]
        yield "\n".join([f"- **{result['status']}**: {literal(name)}{place}{whose}", *shown])


def _mapping(value: Any) -> Mapping[str, Any]:
    """What another author wrote may be anything."""
    return value if isinstance(value, Mapping) else {}
