"""The check as people read it in a pull request, and as machines read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mbp.contracts.compatibility.change_codes import CATALOGUE
from mbp.contracts.compatibility.change_model import Change, Compatibility
from mbp.contracts.compatibility.diff import bump_of, demanded_bump, fingerprint, overall, verdicts
from mbp.contracts.registry.version_check import RULES, Checked, JudgedChange
from mbp.core.markdown import code
from mbp.core.reporting import Finding, Suite

LONGEST_CELL = 60
MARKS = {
    Compatibility.OK: "ok",
    Compatibility.BREAK: "**break**",
    Compatibility.UNKNOWN: "**unknown**",
}


def suite(checked: Sequence[Checked], affected: Mapping[str, Sequence[str]]) -> Suite:
    """The check as a suite of findings."""
    return Suite(
        name="mbp contracts check",
        checked=[f"contracts/a106/{one.dataset}.odcs.yaml" for one in checked],
        findings=[finding for one in checked for finding in one.findings],
        rules=RULES,
        extra={
            "action": next((one.action for one in checked if one.action != "none"), "none"),
            "datasets": [
                {
                    "dataset": one.dataset,
                    "version": one.version,
                    "least_version": one.least,
                    "bump": one.bump,
                    "mode": one.mode,
                    "compared_with": list(one.compared),
                    "action": one.action,
                    "affected": list(affected.get(one.dataset, ())) if one.judged else [],
                    "changes": [change_record(judged) for judged in one.judged],
                }
                for one in checked
            ],
        },
    )


def change_record(one: JudgedChange) -> dict[str, Any]:
    """One judged change for machines."""
    return {
        **record(one.change),
        "fingerprint": one.fingerprint,
        "against": one.against,
        "bump": one.bump,
        "proven": one.proof is not None,
        "exempted": one.exception is not None,
        "waived_until": one.waiver.until.isoformat() if one.waiver else None,
        "waiver": one.waiver.id if one.waiver else None,
        "blocks": one.blocks,
    }


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
            one.code,
            f"{CATALOGUE[one.code].what} {_short(one.old)} -> {_short(one.new)} (BACKWARD"
            f" {one.backward.value}, FORWARD {one.forward.value}, bump {bump_of(one)})"
            + (f": {one.note}" if one.note else ""),
            new,
            subject=one.path,
            severity="note" if {one.backward, one.forward} == {Compatibility.OK} else "error",
            evidence="; ".join(
                f"{direction}: {json.dumps(witness['row'], ensure_ascii=False, default=str)}"
                for direction, witness in one.witness.items()
            ),
        )
        for one in changes
    ]
    table = f"{len(changes)} changes, demanded bump: {demanded_bump(changes)}"
    return Suite("mbp contracts diff", [old, new], findings, table=table)


def diff_document(changes: Sequence[Change]) -> dict[str, Any]:
    """Verdict, demanded bump, and every change."""
    both = verdicts(changes)
    return {
        "verdict": overall(both).value,
        "backward": both.backward.value,
        "forward": both.forward.value,
        "bump": demanded_bump(changes),
        "changes": [
            {**record(one), "bump": bump_of(one), "fingerprint": fingerprint(one)}
            for one in changes
        ],
    }


def markdown(checked: Sequence[Checked], affected: Mapping[str, Sequence[str]] | None) -> str:
    """What a reviewer reads: changes, verdicts, demanded version, who is affected."""
    blocked = [one for one in checked if one.action != "none"]
    lines = ["# Contract changes", ""]
    changed = [one for one in checked if one.judged or one.findings]
    if not changed:
        lines += [f"No change in {len(checked)} contracts.", ""]
    elif blocked:
        names = ", ".join(one.dataset for one in blocked)
        lines += [f"**block_deploy**: {names} may not be merged as it stands.", ""]
    else:
        lines += ["Compatible, or agreed: may be merged.", ""]
    for one in changed:
        lines += _dataset(one, affected)
    return "\n".join(lines)


def _dataset(one: Checked, affected: Mapping[str, Sequence[str]] | None) -> list[str]:
    compared = ", ".join(one.compared) or "nothing published"
    lines = [
        f"## {one.dataset} {one.version}",
        "",
        f"Mode {one.mode}, compared with {compared}. The changes demand **{one.bump}**: at least {one.least}.",
        "",
    ]
    if one.judged:
        lines += [
            "| change | where | from | to | BACKWARD | FORWARD | bump | fingerprint |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        seen: set[str] = set()
        for judged in one.judged:
            if judged.fingerprint not in seen:
                seen.add(judged.fingerprint)
                lines.append(_row(judged))
        lines.append("")
        for judged in one.judged:
            lines += _witnesses(judged)
        names = None if affected is None else affected.get(one.dataset, ())
        if names is None:
            lines += ["Affected: not known, there is no manifest (run `dbt parse`).", ""]
        else:
            lines += [f"Affected: {', '.join(names) if names else 'nobody that dbt knows of'}.", ""]
    findings = [finding for finding in one.findings if finding.severity == "error"]
    waived = {judged.fingerprint: judged.waiver for judged in one.judged if judged.waiver}
    if waived:
        lines += ["Let through for a time:", ""]
        lines += [
            f"- `{print_}`: waived until {waiver.until:%Y-%m-%d %H:%M} UTC by `{waiver.id}`"
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


def _row(one: JudgedChange) -> str:
    change = one.change
    cells = [
        f"`{change.code}`",
        f"`{change.path}`",
        _cell(change.old),
        _cell(change.new),
        MARKS[change.backward],
        MARKS[change.forward],
        one.bump + (" (proven)" if one.proof else ""),
        f"`{one.fingerprint}`",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return "" if value is None else code(_short(value))


def _short(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}..."


def _witnesses(one: JudgedChange) -> list[str]:
    lines: list[str] = []
    for direction, witness in one.change.witness.items():
        valid, invalid = ("old", "new") if direction == "backward" else ("new", "old")
        lines.append(
            f"- `{one.change.code}` {one.change.path}: valid under the {valid} contract, not under the"
            f" {invalid}: `{witness['row']}`"
        )
    return [*lines, ""] if lines else []
