"""The check as people and machines read it, with its effect: who reads the column, which rows break."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbp.contracts.compatibility.change_model import CATALOGUE, Change, Compatibility, SchemaNode
from mbp.contracts.compatibility.diff import bump_of, demanded_bump, fingerprint, overall, verdicts
from mbp.contracts.registry.version_check import RULES, Checked, JudgedChange, located
from mbp.core.reporting import Finding, Suite
from mbp.core.templates import templates
from mbp.core.wording import code, many

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

    def effects(dataset: Checked) -> Iterator[tuple[JudgedChange, str]]:
        for judged in dataset.news:
            for line in impact_lines(impacts.get((dataset.dataset, judged.fingerprint))):
                yield judged, line

    environment = templates("mbp.contracts")
    environment.filters["value"] = _cell
    text = environment.get_template("check.md.j2").render(
        checked=checked,
        changed=[result for result in checked if result.news or result.action != "none"],
        blocked=[result.dataset for result in checked if result.action != "none"],
        effects=effects,
        marks=MARKS,
        many=many,
    )
    return f"{text.rstrip()}\n"


def _cell(value: Any) -> str:
    return "" if value is None else code(_short(value))


def _short(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}..."


@dataclass(frozen=True)
class Impact:
    """The effect of one change.

    Attributes:
        readers: `metric depth` and the like; None where nothing is known of them.
        notes: other facts, as sentences without a full stop.
        row: one that the change makes invalid, classified values masked; empty where there is none.
    """

    readers: tuple[str, ...] | None = ()
    notes: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)


# (dataset, fingerprint of the change) -> its effect.
Impacts = Mapping[tuple[str, str], Impact]


def changed_columns(change: Change, table: SchemaNode | None) -> frozenset[str] | None:
    """The columns of the dataset that the change is about; None means all of it.

    Documentation and classification change no value.

    Args:
        table: the dataset in the new contract.
    """
    if CATALOGUE[change.code].kind == "documentation" or change.code.startswith("classification_"):
        return frozenset()
    known = {child.name for child in table.children} if table is not None else set[str]()
    _, _, rest = change.path.partition(".")
    named = {name for name in known if rest == name or rest.startswith((f"{name}.", f"{name}["))}
    if rest.startswith("quality."):
        named = _of_rule(rest.split(".")[1], table) & known
    elif change.code == "column_removed":
        named = {rest}
    elif not named:
        listed = [value for value in (change.old, change.new) if isinstance(value, list)]
        named = {str(item) for value in listed for item in value} & known
    return frozenset(named) or None


def _of_rule(rule_id: str, table: SchemaNode | None) -> set[str]:
    """The columns that a rule of the dataset says it reads."""
    return {
        str(name)
        for rule in (table.raw.get("quality") if table is not None else None) or ()
        if str(rule.get("id")) == rule_id
        for item in rule.get("customProperties") or ()
        if item.get("property") == "columns" and isinstance(item.get("value"), list)
        for name in item["value"]
    }
