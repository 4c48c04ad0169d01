"""Does the inside of a pack agree with itself: report and evidence, report and signatures?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mbp.contracts.schema_check import as_json
from mbp.evidence.container import Finding
from mbp.evidence.demanded import evidence_counts, read_definition, report_answers, waiver_stands_in
from mbp.evidence.envelope import KEYS, VERSION
from mbp.evidence.statement import EVIDENCE_GROUP, relation_path, report_path
from mbp.gate.report import GO, NO_GO
from mbp.gate.signoffs import FOLDER, SIGN_OFF_AREA, sign_off_subject
from mbp.signing import AllowedSigners
from mbp.signing.statements import Subject, digest, read_statements
from mbp.waivers.model import APPROVERS, SUFFIX, Waiver, read_waiver
from mbp.waivers.model import FOLDER as WAIVERS

GOOD = ("pass", "waived")
# What a measurement of `mbp.evidence.envelope` has in every version; a bill of materials in the same folder has not.
MEASUREMENT_KEYS = {"verdict", "content", "summary"}


@dataclass
class Statements:
    """Sign-offs and approvals.

    Attributes:
        told: what each came to.
    """

    told: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def report_holds_together(report: Mapping[str, Any], gate: str) -> Iterator[Finding]:
    """The verdict follows from the checks, and the counts are theirs."""
    path = report_path(gate)
    try:
        results = report["results"]
        verdicts = [one["verdict"] for one in results]
        wanted = GO if results and all(one in GOOD for one in verdicts) else NO_GO
        if report["verdict"] != wanted:
            yield Finding("verdict", path, f"says {report['verdict']}, its checks say {wanted}")
        counts = {name: verdicts.count(name) for name in report["counts"]}
        if report["counts"] != counts or sum(counts.values()) != len(verdicts):
            yield Finding("verdict", path, "the counts are not those of its checks")
        if report["gate"] != gate:
            yield Finding("verdict", path, f"is of the gate {report['gate']}, not of {gate}")
    except (KeyError, TypeError) as error:
        yield Finding("verdict", path, f"is no report of a gate ({type(error).__name__}: {error})")


def evidence_agrees(
    report: Mapping[str, Any], members: Mapping[str, bytes], groups: Mapping[str, Any]
) -> Iterator[Finding]:
    """What a passed check rests on is in the pack, and of the source that was judged."""
    definition = str(groups["definition"])
    demanded = read_definition(members.get(definition, b""), definition)
    if demanded is None or digest(as_json(demanded)) != report["definition_sha256"]:
        yield Finding("definition", definition, "is not the definition that the gate was judged by")
        return
    yield from report_answers(report, demanded)
    measured = set(groups["groups"][EVIDENCE_GROUP]["members"])
    for one in report["results"]:
        if one["verdict"] not in GOOD:
            continue
        for place in one["evidence"]:
            if place in measured:
                yield from _of_this_source(report, one, place, members[place], demanded)
            elif not _there(place, members):
                told = f"the check {one['id']} passed on it, and it is not in the pack"
                yield Finding("missing_evidence", place, told)


def _there(place: str, members: Mapping[str, bytes]) -> bool:
    if place in members or relation_path(place) in members:
        return True
    # A folder may be empty; a file may not be missing.
    return not Path(place).suffix or any(name.startswith(f"{place}/") for name in members)


def _of_this_source(
    report: Mapping[str, Any],
    check: Mapping[str, Any],
    place: str,
    content: bytes,
    demanded: Mapping[str, Any],
) -> Iterator[Finding]:
    try:
        found = json.loads(content)
    except ValueError as error:
        yield Finding("evidence", place, f"is no JSON ({error})")
        return
    if not isinstance(found, dict) or not found.keys() >= MEASUREMENT_KEYS:
        return
    if found.get("version") != VERSION or not found.keys() >= KEYS:
        told = f"is no measurement of version {VERSION}, and the check {check['id']} {check['verdict']} on it"
        yield Finding("evidence", place, told)
        return
    if found["source"] != report["source"] or found["source_after"] != report["source"]:
        told = f"is of another source than the pack, and the check {check['id']} {check['verdict']} on it"
        yield Finding("other_source", place, told)
    if check["verdict"] == "pass" and found["target"] == report["target"]:
        if found["warehouse"] is None or found["warehouse"] != report["warehouse"]:
            told = (
                f"is of another warehouse than the pack, and the check {check['id']} passed on it"
            )
            yield Finding("other_warehouse", place, told)
        nodes = found["nodes"]
        if found["invocation"] is not None and (
            not isinstance(nodes, dict) or not 0 < nodes["demanded"] <= nodes["covered"]
        ):
            told = f"is of a part of the project, and the check {check['id']} passed on it"
            yield Finding("partial", place, told)
    if check["verdict"] == "pass" and found["data"] not in (None, report["data"]):
        told = f"is of another data state than the pack, and the check {check['id']} passed on it"
        yield Finding("other_data", place, told)
    yield from evidence_counts(report, check, demanded, place, found)


def signed_statements(
    folder: Path,
    report: Mapping[str, Any],
    definition: Mapping[str, Any],
    signers: AllowedSigners,
    moment: datetime,
) -> Statements:
    """Every sign-off and every approval of a waiver that counted, verified again at the time of the decision.

    Args:
        folder: with the pack's contracts/ in it.
    """
    found = Statements()
    _sign_offs(folder, report, signers, moment, found)
    for one in report["results"]:
        if one["verdict"] == "waived":
            for name in str(one["waiver"]).split("+"):
                _waiver(folder, name, (one, definition), signers, moment, found)
    return found


def _sign_offs(
    folder: Path,
    report: Mapping[str, Any],
    signers: AllowedSigners,
    moment: datetime,
    found: Statements,
) -> None:
    place = f"{FOLDER}/{report['gate']}"
    counted = {
        Path(path).stem: one["id"]
        for one in report["results"]
        if one["area"] == SIGN_OFF_AREA and one["verdict"] in GOOD
        for path in one["evidence"]
        if path.startswith(f"{place}/")
    }
    passed = [
        one for one in report["results"] if one["area"] == SIGN_OFF_AREA and one["verdict"] in GOOD
    ]
    if len(counted) != len(passed):
        told = "a sign-off that counted does not name its statement"
        found.findings.append(Finding("sign_off", report_path(report["gate"]), told))
    if report["verdict"] == GO and not counted:
        told = "it is a go, and nobody signed off"
        found.findings.append(Finding("sign_off", report_path(report["gate"]), told))
    if not counted:
        return
    subject = Subject.of(report["gate"], sign_off_subject(report))
    roles = list(counted)
    signed = read_statements(folder / place, "sign-off", subject, roles, signers, moment)
    for role, one in signed.items():
        found.told[f"sign-off {role}"] = "good" if one.valid else one.reason
        if not one.valid:
            told = f"counted in {counted[role]}, and is void: {one.reason}"
            found.findings.append(Finding("sign_off", f"{place}/{role}.json", told))


def _waiver(
    folder: Path,
    name: str,
    demand: tuple[Mapping[str, Any], Mapping[str, Any]],
    signers: AllowedSigners,
    moment: datetime,
    found: Statements,
) -> None:
    check, definition = demand
    place = f"{WAIVERS}/{name}{SUFFIX}"
    path = folder / place
    waiver = read_waiver(path, folder) if path.is_file() else None
    if not isinstance(waiver, Waiver):
        told = f"stands in for {check['id']}, and cannot be read"
        found.findings.append(Finding("waiver", place, told))
        return
    if not waiver.opened <= moment < waiver.expires:
        told = f"stands in for {check['id']}, and was not in force when the gate was judged"
        found.findings.append(Finding("waiver", place, told))
    for reason in waiver_stands_in(waiver, check, definition):
        found.findings.append(
            Finding("waiver", place, f"stands in for {check['id']}, and {reason}")
        )
    signed = read_statements(
        waiver.signatures(folder), "waiver-approval", waiver.subject, APPROVERS, signers, moment
    )
    for role, one in signed.items():
        found.told[f"waiver {name} {role}"] = "good" if one.valid else one.reason
        if not one.valid:
            told = f"stands in for {check['id']}, and {role}: {one.reason}"
            found.findings.append(Finding("waiver", place, told))
