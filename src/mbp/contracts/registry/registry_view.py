"""The check as people read it in a pull request, and as machines read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mbp.contracts.compatibility.change_codes import CATALOGUE
from mbp.contracts.compatibility.change_model import Change, Compatibility
from mbp.contracts.compatibility.diff import bump_of, demanded_bump, fingerprint, overall, verdicts
from mbp.contracts.registry.impact import Impact, Impacts
from mbp.contracts.registry.places import located
from mbp.contracts.registry.version_check import RULES, Checked, JudgedChange
from mbp.core.markdown import code
from mbp.core.reporting import Finding, Suite
from mbp.core.wording import many

LONGEST_CELL = 60
MARKS = {
    Compatibility.OK: "ok",
    Compatibility.BREAK: "**break**",
    Compatibility.UNKNOWN: "**unknown**",
}


def suite(checked: Sequence[Checked], impacts: Impacts) -> Suite:
    """The check as a suite of findings."""
    return Suite(
        name="mbp contracts check",
        checked=[f"contracts/a106/{result.dataset}.odcs.yaml" for result in checked],
        findings=[finding for result in checked for finding in result.findings],
        rules=RULES,
        extra={
            "action": next(
                (result.action for result in checked if result.action != "none"), "none"
            ),
            "datasets": [
                {
                    "dataset": result.dataset,
                    "version": result.version,
                    "least_version": result.least,
                    "bump": result.bump,
                    "mode": result.mode,
                    "compared_with": list(result.compared),
                    "action": result.action,
                    "changes": [
                        change_record(judged, impacts.get((result.dataset, judged.fingerprint)))
                        for judged in result.news
                    ],
                }
                for result in checked
            ],
        },
        table="\n".join(
            f"{judged.change.path} {judged.change.code}: {line}"
            for result in checked
            for judged in result.news
            for line in impact_lines(impacts.get((result.dataset, judged.fingerprint)))
        ),
    )


def change_record(judged_change: JudgedChange, impact: Impact | None = None) -> dict[str, Any]:
    """One judged change for machines."""
    impact = impact or Impact(None)
    return {
        **record(judged_change.change),
        "fingerprint": judged_change.fingerprint,
        "against": judged_change.against,
        "bump": judged_change.bump,
        "proven": judged_change.proof is not None,
        "exempted": judged_change.exception is not None,
        "waived_until": judged_change.waiver.until.isoformat() if judged_change.waiver else None,
        "waiver": judged_change.waiver.id if judged_change.waiver else None,
        "blocks": judged_change.blocks,
        "readers": None if impact.readers is None else list(impact.readers),
        "notes": list(impact.notes),
        "row": dict(impact.row),
    }


def impact_lines(impact: Impact | None) -> list[str]:
    """The effect of a change in sentences."""
    if impact is None:
        return []
    readers = "not known, no manifest of dbt (run `mbp build`)"
    if impact.readers is not None:
        readers = ", ".join(impact.readers)
    lines = [f"read by {readers}"] if readers else []
    lines += impact.notes
    row = json.dumps(impact.row, ensure_ascii=False, default=str)
    return [*lines, f"such as {row}"] if impact.row else lines


def record(change: Change) -> dict[str, Any]:
    """One change for machines."""
    return {
        "code": change.code,
        "path": change.path,
        "class": CATALOGUE[change.code].kind,
        "backward": change.backward.value,
        "forward": change.forward.value,
        "old": change.old,
        "new": change.new,
        "note": change.note,
        "witness": dict(change.witness),
    }


def diff_suite(changes: Sequence[Change], old: str, new: str) -> Suite:
    """Every change: an error where it breaks readers or writers, a note elsewhere."""
    findings = [
        Finding(
            change.code,
            f"{CATALOGUE[change.code].what} {_short(change.old)} -> {_short(change.new)} (BACKWARD"
            f" {change.backward.value}, FORWARD {change.forward.value}, bump {bump_of(change)})"
            + (f": {change.note}" if change.note else ""),
            new,
            subject=change.path,
            severity="note" if {change.backward, change.forward} == {Compatibility.OK} else "error",
            evidence="; ".join(
                f"{direction}: {json.dumps(witness['row'], ensure_ascii=False, default=str)}"
                for direction, witness in change.witness.items()
            ),
        )
        for change in changes
    ]
    table = f"{many(len(changes), 'change')}, demanded bump: {demanded_bump(changes)}"
    return Suite("mbp contracts diff", [old, new], located(findings, Path(new), new), table=table)


def diff_document(changes: Sequence[Change]) -> dict[str, Any]:
    """Verdict, demanded bump, and every change."""
    both = verdicts(changes)
    return {
        "verdict": overall(both).value,
        "backward": both.backward.value,
        "forward": both.forward.value,
        "bump": demanded_bump(changes),
        "changes": [
            {**record(change), "bump": bump_of(change), "fingerprint": fingerprint(change)}
            for change in changes
        ],
    }


def markdown(checked: Sequence[Checked], impacts: Impacts) -> str:
    """What a reviewer reads: changes, verdicts, demanded version, who is affected."""
    blocked = [result for result in checked if result.action != "none"]
    lines = ["# Contract changes", ""]
    changed = [result for result in checked if result.news or result.action != "none"]
    if not changed:
        lines += [f"No change in {many(len(checked), 'contract')}.", ""]
    elif blocked:
        names = ", ".join(checked.dataset for checked in blocked)
        lines += [f"**block_deploy**: {names} may not be merged in this form.", ""]
    else:
        lines += ["Compatible, or agreed: may be merged.", ""]
    for name in changed:
        lines += _dataset(name, impacts)
    return "\n".join(lines)


def _dataset(checked: Checked, impacts: Impacts) -> list[str]:
    compared = ", ".join(checked.compared) or "nothing published"
    lines = [
        f"## {checked.dataset} {checked.version}",
        "",
        f"Mode {checked.mode}, compared with {compared}. The changes"
        f" demand **{checked.bump}**: at least {checked.least}.",
        "",
    ]
    if changes := checked.news:
        lines += [
            "| change | where | from | to | BACKWARD | FORWARD | bump | fingerprint |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [*map(_row, changes), ""]
        for judged in changes:
            lines += _witnesses(judged)
        effects = [
            f"- `{judged.change.code}` {judged.change.path}: {line}"
            for judged in changes
            for line in impact_lines(impacts.get((checked.dataset, judged.fingerprint)))
        ]
        lines += [*effects, ""] if effects else []
    findings = [finding for finding in checked.findings if finding.severity == "error"]
    waived = {judged.fingerprint: judged.waiver for judged in checked.judged if judged.waiver}
    if waived:
        lines += ["Let through for a time:", ""]
        lines += [
            f"- `{print_}`: waived until {waiver.until} by `{waiver.id}`"
            f" ({waiver.owner}): {waiver.reason}"
            for print_, waiver in waived.items()
        ]
        lines.append("")
    if findings:
        lines += ["What blocks:", ""]
        lines += [
            f"- `{finding.code}` {finding.subject}: {finding.message}. {finding.fix}"
            for finding in findings
        ]
        lines.append("")
    return lines


def _row(judged_change: JudgedChange) -> str:
    change = judged_change.change
    cells = [
        f"`{change.code}`",
        f"`{change.path}`",
        _cell(change.old),
        _cell(change.new),
        MARKS[change.backward],
        MARKS[change.forward],
        judged_change.bump + (" (proven)" if judged_change.proof else ""),
        f"`{judged_change.fingerprint}`",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return "" if value is None else code(_short(value))


def _short(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}..."


def _witnesses(judged_change: JudgedChange) -> list[str]:
    lines: list[str] = []
    for direction, witness in judged_change.change.witness.items():
        valid, invalid = ("old", "new") if direction == "backward" else ("new", "old")
        lines.append(
            f"- `{judged_change.change.code}` {judged_change.change.path}:"
            f" valid under the {valid} contract, not under the"
            f" {invalid}: `{witness['row']}`"
        )
    return [*lines, ""] if lines else []
