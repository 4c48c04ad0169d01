"""Contract changes with the version they demand and a row that shows each break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mbp.core.verdict import Verdict
from mbp.release.ci.comment_parts import CommentPart, counted, literal, named
from mbp.release.ci.step_reports import Record

MOST_NAMES = 8
Document = Mapping[str, Any]


def contracts_part(title: str, document: Document, record: Record) -> CommentPart:
    """The part, from what `mbp contracts check --format json` wrote."""
    changed = [dataset for dataset in document["datasets"] if dataset["changes"]]
    blocking = [finding for finding in document["findings"] if finding["severity"] == "error"]
    verdict = Verdict.FAIL if blocking or not document["passed"] else Verdict.PASS
    if not document["checked"]:
        return CommentPart(
            title, Verdict.NOT_MEASURED, "no contract was checked", (), record.seconds
        )
    bumps = sorted({result["bump"] for result in changed} & {"major", "minor", "patch"})
    headline = f"{counted(len(document['checked']), 'contract')} checked, "
    headline += f"{counted(len(changed), 'dataset')} changed"
    headline += f" (demands {', '.join(bumps)})" if bumps else ""
    headline += f", {counted(len(blocking), 'finding')} that block" if blocking else ""
    items = [_finding(change) for change in blocking]
    items += [item for result in changed for item in _dataset(result)]
    return CommentPart(title, verdict, headline, tuple(items), record.seconds)


def _finding(results: Document) -> str:
    fix = f" Fix: {literal(results['fix'])}" if results.get("fix") else ""
    return (
        f"- **blocks**: {literal(results['code'])} at {literal(results['subject'])}:"
        f" {literal(results['message'], 400)}.{fix}"
    )


def _dataset(results: Document) -> Iterator[str]:
    affected = (
        named(results["affected"], MOST_NAMES)
        if results["affected"]
        else "no reader that dbt knows of"
    )
    yield (
        f"- {literal(results['dataset'])} {literal(results['version'])}, compared with"
        f" {named(results['compared_with'], MOST_NAMES)}: demands {literal(results['bump'])},"
        f" at least {literal(results['least_version'])}. Affected: {affected}"
    )
    messages: set[str] = set()
    for change in results["changes"]:
        key = str(change.get("fingerprint"))
        if key in messages:
            continue
        messages.add(key)
        yield _change(change)


def _change(change: Document) -> str:
    lines = [
        f"  - {literal(change['code'])} {literal(change['path'])}:"
        f" {_value(change.get('old'))} → {_value(change.get('new'))};"
        f" BACKWARD {change['backward']}, FORWARD {change['forward']}, bump {literal(change['bump'])}"
        f"{' **blocks**' if change['blocks'] else ''}"
    ]
    for direction, witness in change["witness"].items():
        valid, invalid = ("new", "old") if direction == "forward" else ("old", "new")
        lines.append(
            f"    - counterexample: valid under the {valid} contract, not under the {invalid}:"
            f" {literal(witness['row'], 400)}"
        )
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else literal(value)
