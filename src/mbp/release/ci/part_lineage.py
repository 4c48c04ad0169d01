"""Who notices: from what is modified along dbt's child_map down to the exposures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.release.ci.comment_parts import CommentPart, literal, named
from mbp.release.ci.step_reports import Unseen

MOST_NAMES = 20
BUILT = ("model", "seed", "snapshot")
Document = Mapping[str, Any]


def reached(manifest: Document, start: Iterable[str]) -> list[str] | Unseen:
    """Everything that comes after `start`, itself left out, sorted."""
    children = manifest.get("child_map")
    if not isinstance(children, dict):
        return Unseen("the manifest has no child_map")
    first = set(start)
    seen: set[str] = set()
    waiting = sorted(first)
    while waiting:
        below = children.get(waiting.pop(), [])
        if not isinstance(below, list) or not all(isinstance(name, str) for name in below):
            return Unseen("the child_map of the manifest is not of the expected form")
        waiting += [name for name in below if name not in seen]
        seen.update(below)
    return sorted(seen - first)


def lineage_part(
    title: str, manifest: Document, base: Document, modified: list[str]
) -> CommentPart | Unseen:
    """The part.

    Args:
        manifest: of this commit.
        base: that of main; it shows what was removed.
        modified: unique ids, as `dbt ls --select state:modified` lists them.
    """
    gone = sorted(set(base["nodes"]) - set(manifest["nodes"]))
    gone = [unique_id for unique_id in gone if unique_id.partition(".")[0] in BUILT]
    changed = sorted(node for node in set(modified) if node.partition(".")[0] in BUILT)
    readers = reached(manifest, changed)
    lost = reached(base, gone)
    if isinstance(readers, Unseen):
        return readers
    if isinstance(lost, Unseen):
        return lost
    models = [reader for reader in readers if reader.startswith("model.")]
    exposures = sorted({reader for reader in (*readers, *lost) if reader.startswith("exposure.")})
    headline = f"{many(len(changed), 'node')} changed, {len(gone)} gone;"
    headline += f" reaches {many(len(models), 'model')} and {many(len(exposures), 'exposure')}"
    items = []
    if changed:
        items.append(f"- changed: {named([_name(node_id) for node_id in changed], MOST_NAMES)}")
    if gone:
        items.append(f"- **gone**: {named([_name(unique_id) for unique_id in gone], MOST_NAMES)}")
    if models:
        items.append(f"- reaches: {named([_name(model) for model in models], MOST_NAMES)}")
    items += [_exposure(exposure, manifest, base) for exposure in exposures]
    return CommentPart(title, Verdict.PASS, headline, tuple(items))


def _name(unique_id: str) -> str:
    """`model orders`"""
    kind, _, rest = unique_id.partition(".")
    return f"{kind} {rest.partition('.')[2]}"


def _exposure(unique_id: str, *manifests: Document) -> str:
    for manifest in manifests:
        exposures = manifest.get("exposures")
        exposure = exposures.get(unique_id) if isinstance(exposures, dict) else None
        owner = exposure.get("owner") if isinstance(exposure, dict) else None
        if isinstance(owner, dict):
            return f"- {literal(_name(unique_id))}, owner {literal(owner.get('name') or 'unknown')}"
    return f"- {literal(_name(unique_id))}, owner unknown"
