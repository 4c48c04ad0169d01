"""Contract changes with the version they demand and a row that shows each break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.release.ci.comment_parts import CommentPart, literal, named
from mbp.release.ci.part_rules import Veil, row_text
from mbp.release.ci.step_reports import Record

MOST_NAMES = 12
Document = Mapping[str, Any]


def contracts_part(title: str, document: Document, record: Record, veil: Veil) -> CommentPart:
    """The part, from what `mbp contracts check --format json` wrote: each change once, what blocks first."""
    changed = [dataset for dataset in document["datasets"] if dataset["changes"]]
    blocking = [finding for finding in document["findings"] if finding["severity"] == "error"]
    verdict = Verdict.FAIL if blocking or not document["passed"] else Verdict.PASS
    if not document["checked"]:
        return CommentPart(
            title, Verdict.NOT_MEASURED, "no contract was checked", (), record.seconds
        )
    bumps = sorted({result["bump"] for result in changed} & {"major", "minor", "patch"})
    headline = f"{many(len(document['checked']), 'contract')} checked, "
    headline += f"{many(len(changed), 'dataset')} changed"
    headline += f" (demands {', '.join(bumps)})" if bumps else ""
    headline += f", {many(len(blocking), 'blocking finding')}" if blocking else ""
    fixes = {(finding["code"], finding["subject"]): finding for finding in blocking}
    of_changes = {
        (change["code"], change["path"]) for result in changed for change in result["changes"]
    }
    items = [_finding(finding) for key, finding in fixes.items() if key not in of_changes]
    items += [item for result in changed for item in _dataset(result, fixes, veil)]
    return CommentPart(title, verdict, headline, tuple(items), record.seconds)


def _finding(results: Document) -> str:
    fix = f" Fix: {literal(results['fix'])}" if results.get("fix") else ""
    return (
        f"- **blocks**: {literal(results['code'])} at {literal(results['subject'])}:"
        f" {literal(results['message'], 400)}.{fix}"
    )


def _dataset(
    results: Document, fixes: Mapping[tuple[str, str], Document], veil: Veil
) -> Iterator[str]:
    yield (
        f"- {literal(results['dataset'])} {literal(results['version'])}, compared with"
        f" {named(results['compared_with'], MOST_NAMES)}: demands {literal(results['bump'])},"
        f" at least {literal(results['least_version'])}"
    )
    changes: dict[str, Document] = {}
    for change in results["changes"]:
        # Against several versions it is shown once, as against the newest.
        changes.setdefault(str(change.get("fingerprint")), change)
    for change in sorted(changes.values(), key=lambda change: not change["blocks"]):
        yield _change(change, fixes.get((change["code"], change["path"])), veil)


def _change(change: Document, finding: Document | None, veil: Veil) -> str:
    blocks = ""
    if finding is not None:
        fix = f" Fix: {literal(finding['fix'])}" if finding.get("fix") else ""
        blocks = f"; **blocks**: {literal(finding['message'], 400)}.{fix}"
    lines = [
        f"  - {literal(change['code'])} {literal(change['path'])}:"
        f" {_value(change.get('old'))} → {_value(change.get('new'))};"
        f" BACKWARD {change['backward']}, FORWARD {change['forward']}, bump {literal(change['bump'])}"
        f"{blocks}"
    ]
    for direction, witness in change["witness"].items():
        valid, invalid = ("new", "old") if direction == "forward" else ("old", "new")
        lines.append(
            f"counterexample: valid under the {valid} contract, not under the {invalid}:"
            f" {literal(witness['row'], 400)}"
        )
    if change["readers"] is None:
        lines.append("read by: not known, the check had no manifest of dbt")
    elif change["readers"]:
        lines.append(f"read by {named(change['readers'], MOST_NAMES)}")
    lines += [literal(note, 400) for note in change["notes"]]
    if change["row"]:
        lines.append(f"such as {row_text(change['row'], veil)}")
    return "\n    - ".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else literal(value)
