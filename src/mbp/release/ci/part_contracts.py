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
    changed = [one for one in document["datasets"] if one["changes"]]
    blocking = [one for one in document["findings"] if one["severity"] == "error"]
    verdict = Verdict.FAIL if blocking or not document["passed"] else Verdict.PASS
    if not document["checked"]:
        return CommentPart(
            title, Verdict.NOT_MEASURED, "no contract was checked", (), record.seconds
        )
    bumps = sorted({one["bump"] for one in changed} & {"major", "minor", "patch"})
    headline = f"{counted(len(document['checked']), 'contract')} checked, "
    headline += f"{counted(len(changed), 'dataset')} changed"
    headline += f" (demands {', '.join(bumps)})" if bumps else ""
    headline += f", {counted(len(blocking), 'finding')} that block" if blocking else ""
    items = [_finding(one) for one in blocking]
    items += [item for one in changed for item in _dataset(one)]
    return CommentPart(title, verdict, headline, tuple(items), record.seconds)


def _finding(one: Document) -> str:
    cure = f" Cure: {literal(one['fix'])}" if one.get("fix") else ""
    return (
        f"- **blocks**: {literal(one['code'])} at {literal(one['subject'])}:"
        f" {literal(one['message'], 400)}.{cure}"
    )


def _dataset(one: Document) -> Iterator[str]:
    affected = named(one["affected"], MOST_NAMES) if one["affected"] else "nobody that dbt knows of"
    yield (
        f"- {literal(one['dataset'])} {literal(one['version'])}, compared with"
        f" {named(one['compared_with'], MOST_NAMES)}: demands {literal(one['bump'])},"
        f" at least {literal(one['least_version'])}. Affected: {affected}"
    )
    told: set[str] = set()
    for change in one["changes"]:
        key = str(change.get("fingerprint"))
        if key in told:
            continue
        told.add(key)
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
            f"    - witness: valid under the {valid} contract, not under the {invalid}:"
            f" {literal(witness['row'], 400)}"
        )
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else literal(value)
