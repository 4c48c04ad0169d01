"""Does the inside of a pack agree with itself: report and definition, report and evidence, report and signatures?

A signer of packs could sign a report that leaves out a check. Like `mbp.release.evidence.verify_pack` this knows no
warehouse.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.contracts.waiver import APPROVERS, SUFFIX, WAIVER_DAYS, Waiver, read_waiver
from mbp.contracts.waiver import FOLDER as WAIVERS
from mbp.core import moments
from mbp.core.canonical_json import Subject, digest
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.verdict import NO_GO, RELEASING, Verdict, gate_verdict
from mbp.core.wording import many
from mbp.core.yaml_io import loads, plain
from mbp.release.evidence.container import safe_name
from mbp.release.evidence.statement import EVIDENCE_GROUP, relation_path, report_path
from mbp.release.gate.signoffs import FOLDER, SIGN_OFF_ID, sign_off_subject
from mbp.release.signing.signatures import AllowedSigners
from mbp.release.signing.statements import read_statements
from mbp.runs.derivation import UnmeasuredError
from mbp.runs.derive import contradiction
from mbp.runs.derive_runs import actions_done
from mbp.runs.derive_scans import log_findings
from mbp.runs.envelope import KEYS, VERSION

# Rules of the gate (mbp.release.gate.rules_evidence) that pass only on a measurement that passed, and what waivers
# of single rules or changes cover.
WANT_A_PASS = (
    "passed_evidence",
    "live_grants",
    "no_drift",
    "no_broken_rule",
    "every_exercise",
    "rules_proved",
)
WAIVED_BY = {"rule": "no_broken_rule", "change": "no_drift"}
SAME = ("area", "what", "owner", "waivable")
MEASUREMENTS = "target/evidence"
# What a measurement of `mbp.runs.envelope` has in every version; a bill of materials in the same folder has not.
MEASUREMENT_KEYS = {"verdict", "content", "summary"}


def read_definition(content: bytes, path: str) -> Mapping[str, Any] | None:
    """The definition of a gate as plain values; None when it cannot be read."""
    try:
        document = plain(loads(content.decode("utf-8"), shown_as=path))
    except (MbpError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def checks_of(definition: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Check -> what is demanded of it, sign-offs aside."""
    return {str(check["id"]): check for check in definition["checks"]}


def report_answers(report: Mapping[str, Any], definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Each check and each role once and in their order, no other one, and none waived that may not be."""
    path = report_path(str(report["gate"]))
    checks = checks_of(definition)
    wanted = [*checks, *(f"{SIGN_OFF_ID}{role}" for role in definition["sign_offs"]["roles"])]
    present = [str(result["id"]) for result in report["results"]]
    if present != wanted:
        there, known = set(present), set(wanted)
        lacks = [name for name in wanted if name not in there]
        strange = [name for name in present if name not in known]
        messages = [f"lacks {', '.join(lacks)}"] if lacks else []
        messages += (
            [f"has {', '.join(strange)}, which the definition does not have"] if strange else []
        )
        message = "; ".join(messages) or "has its checks in another order, or twice"
        yield Finding("checklist", message, path)
    for result in report["results"]:
        check = checks.get(str(result["id"]))
        if (result["area"] == SIGN_OFF_AREA) is (check is not None):
            yield Finding("checklist", f"{result['id']} is in the wrong area", path)
        if result["verdict"] == Verdict.WAIVED and (check is None or check["waivable"] is not True):
            yield Finding("checklist", f"{result['id']} is waived, and cannot be", path)
        other = [key for key in SAME if check is not None and result[key] != check[key]]
        if check is not None:
            other += [
                key
                for key in ("no_go", "rehearsal")
                if result.get(key, False) != check.get(key, False)
            ]
        if other:
            told_of = f"{result['id']}: {', '.join(other)} is not what the definition says"
            yield Finding("checklist", told_of, path)


def evidence_counts(
    report: Mapping[str, Any],
    result: Mapping[str, Any],
    check: Mapping[str, Any] | None,
    definition: Mapping[str, Any],
    place: str,
    results: Mapping[str, Any],
) -> Iterator[Finding]:
    """A check passed on what a command measured: it passed too, on this target, and was neither too old nor to come.

    Args:
        result: of the check in the report.
        check: as the definition has it; None when it has none.
        found: the measurement.
    """
    if (
        result["verdict"] != Verdict.PASS
        or check is None
        or check["source"].get("evidence") != results["name"]
    ):
        return
    about = f"and the check {result['id']} passed on it"
    if check["rule"] in WANT_A_PASS and results["verdict"] != Verdict.PASS:
        yield Finding("evidence", f"says {results['verdict']}, {about}", place)
    if inside := _inside(check, results["content"], str(report["source"])):
        yield Finding("evidence", f"{inside}, {about}", place)
    if results["target"] not in (None, report["target"]):
        yield Finding("other_target", f"is of the target {results['target']}, {about}", place)
    began, ended = (datetime.fromisoformat(results[key]) for key in ("began_at", "ended_at"))
    decided = datetime.fromisoformat(report["decided_at"])
    limit = check["source"].get("max_age_hours", definition["evidence_max_age_hours"])
    why = moments.objection(began, decided, timedelta(hours=limit))
    if why := why or moments.objection(ended, decided, None):
        yield Finding("old_evidence", f"was measured {why}, {about}", place)


def _inside(check: Mapping[str, Any], content: Mapping[str, Any], source: str) -> str | None:
    """What in a measurement excludes a pass of a check whose rule judges a part of it; None: nothing."""
    try:
        if check["rule"] == "clean_logs":
            _, findings = log_findings(content)
            return f"has {findings} findings in log lines" if findings else None
        if check["rule"] == "every_exercise":
            other = [
                str(exercise["id"])
                for exercise in content["exercises"]
                if exercise["source"] != source
            ]
            return f"has exercises of another source: {', '.join(other[:5])}" if other else None
        if check["rule"] == "actions_exercised":
            done = actions_done(content["exercises"], source)
            missing = [str(action) for action in check["source"]["actions"] if action not in done]
            return f"has no passed exercise of {', '.join(missing)}" if missing else None
    except (UnmeasuredError, KeyError, TypeError, ValueError, AttributeError) as error:
        return f"cannot be followed ({error})"
    return None


def waiver_stands_in(
    waiver: Waiver, result: Mapping[str, Any], check: Mapping[str, Any] | None
) -> Iterator[str]:
    """Why a waiver cannot cover a check."""
    covers = waiver.object == result["id"]
    if waiver.code != "gate_check":
        covers = check is not None and check["rule"] == WAIVED_BY[waiver.code]
    elif covers and not waiver.covers(int(result["findings"])):
        yield f"is signed for {many(waiver.findings, 'finding')}, and there are {result['findings']}"
    if not covers:
        yield f"covers the {waiver.code.replace('_', ' ')} {waiver.object}"
    if waiver.until > waiver.furthest:
        yield f"holds for more than {WAIVER_DAYS} days"


def report_holds_together(report: Mapping[str, Any], gate: str) -> Iterator[Finding]:
    """The verdict follows from the checks, and the counts are theirs."""
    path = report_path(gate)
    try:
        results = report["results"]
        verdicts = [result["verdict"] for result in results]
        wanted = gate_verdict(results)
        if report["verdict"] != wanted:
            yield Finding("verdict", f"says {report['verdict']}, its checks say {wanted}", path)
        tally = Counter(verdicts)
        counts = {name: tally[name] for name in report["counts"]}
        if report["counts"] != counts or sum(counts.values()) != len(verdicts):
            yield Finding("verdict", "the counts are not those of its checks", path)
        if report["gate"] != gate:
            yield Finding("verdict", f"is of the gate {report['gate']}, not of {gate}", path)
    except (KeyError, TypeError) as error:
        yield Finding("verdict", f"is no report of a gate ({type(error).__name__}: {error})", path)


def evidence_agrees(
    report: Mapping[str, Any], members: Mapping[str, bytes], groups: Mapping[str, Any]
) -> Iterator[Finding]:
    """What a passed check rests on is in the pack, and of the source that was judged."""
    definition = str(groups["definition"])
    demanded = read_definition(members.get(definition, b""), definition)
    if demanded is None or digest(demanded) != report["definition_sha256"]:
        yield Finding("definition", "is not the definition that the gate was judged by", definition)
        return
    yield from report_answers(report, demanded)
    checks = checks_of(demanded)
    measured = set(groups["groups"][EVIDENCE_GROUP]["members"])
    # Each file is read once, however many checks name it.
    measurements: dict[str, Mapping[str, Any]] = {}
    for place in sorted(measured):
        yield from _measurement(place, members, measurements)
    folders = {str(folder) for name in members for folder in PurePosixPath(name).parents}
    for result in report["results"]:
        if result["verdict"] not in RELEASING:
            continue
        check = checks.get(str(result["id"]))
        if result["verdict"] == "pass" and (
            name := (check or {"source": {}})["source"].get("evidence")
        ):
            # An entry without the keys of a measurement would be held to nothing.
            named = (measurements[place] for place in result["evidence"] if place in measurements)
            if not any(each["name"] == name for each in named):
                message = (
                    f"is no measurement in the pack, and the check {result['id']} passed on it"
                )
                yield Finding("missing_evidence", message, f"{MEASUREMENTS}/{name}.json")
        for place in dict.fromkeys(result["evidence"]):
            if place in measurements:
                yield from _of_this_source(report, result, place, measurements[place])
                yield from evidence_counts(
                    report, result, check, demanded, place, measurements[place]
                )
            elif place not in measured and not _there(place, members, folders):
                message = f"the check {result['id']} passed on it, and it is not in the pack"
                yield Finding("missing_evidence", message, place)


def _measurement(
    place: str, members: Mapping[str, bytes], results: dict[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Reads a measurement into `found`; says so when its verdict does not follow from its content."""
    try:
        document = json.loads(members[place])
    except (ValueError, RecursionError) as error:
        if place.endswith(".json"):
            yield Finding("evidence", f"is no JSON ({error})", place)
        return
    if not isinstance(document, dict) or not document.keys() >= MEASUREMENT_KEYS:
        return
    results[place] = document
    if Path(place).stem != document["name"]:
        yield Finding("evidence", f"is the measurement {document['name']!r}", place)
    if wrong := contradiction(document, members.get):
        yield Finding("underived", wrong, place)


def _there(place: str, members: Mapping[str, bytes], folders: set[str]) -> bool:
    if place in members or relation_path(place) in members:
        return True
    # A folder may be empty; a file may not be missing.
    return not Path(place).suffix or place in folders


def _of_this_source(
    report: Mapping[str, Any], check: Mapping[str, Any], place: str, results: Mapping[str, Any]
) -> Iterator[Finding]:
    if results.get("version") != VERSION or not results.keys() >= KEYS:
        message = f"is no measurement of version {VERSION}, and the check {check['id']} {check['verdict']} on it"
        yield Finding("evidence", message, place)
        return
    if results["source"] != report["source"] or results["source_after"] != report["source"]:
        message = f"is of another source than the pack, and the check {check['id']} {check['verdict']} on it"
        yield Finding("other_source", message, place)
    if check["verdict"] == "pass" and results["target"] == report["target"]:
        if results["warehouse"] is None or results["warehouse"] != report["warehouse"]:
            message = (
                f"is of another warehouse than the pack, and the check {check['id']} passed on it"
            )
            yield Finding("other_warehouse", message, place)
        nodes = results["nodes"]
        if results["invocation"] is not None and (
            not isinstance(nodes, dict) or not 0 < nodes["demanded"] <= nodes["covered"]
        ):
            message = f"is of a part of the project, and the check {check['id']} passed on it"
            yield Finding("partial", message, place)
    if check["verdict"] == "pass" and results["data"] not in (None, report["data"]):
        message = (
            f"is of another data state than the pack, and the check {check['id']} passed on it"
        )
        yield Finding("other_data", message, place)


def signed_statements(
    folder: Path,
    report: Mapping[str, Any],
    definition: Mapping[str, Any],
    signers: AllowedSigners,
    moment: datetime,
    outcomes: dict[str, str],
) -> Iterator[Finding]:
    """Every sign-off and every approval of a waiver that counted, verified again at the time of the decision.

    Args:
        folder: with the pack's contracts/ in it.
        outcomes: gets what each came to.
    """
    yield from _sign_offs(folder, report, signers, moment, outcomes)
    checks = checks_of(definition)
    waived: dict[str, list[Mapping[str, Any]]] = {}
    for result in report["results"]:
        if result["verdict"] == Verdict.WAIVED:
            for name in dict.fromkeys(str(result["waiver"]).split("+")):
                waived.setdefault(name, []).append(result)
    for name, results in waived.items():
        place = f"{WAIVERS}/{name}{SUFFIX}"
        path = folder / place
        waiver = read_waiver(path, folder) if safe_name(place) and path.is_file() else None
        if isinstance(waiver, Waiver):
            approvals, content = waiver.signatures(folder), waiver.signed_content
            signed = read_statements(
                approvals, "waiver-approval", content, APPROVERS, signers, moment
            )
            for role, signature in signed.items():
                outcomes[f"waiver {name} {role}"] = signature.reason or "good"
                if not signature.valid:
                    yield Finding("waiver", f"{role}: {signature.reason}", place)
        for result in results:
            about = f"waives {result['id']}, and"
            if not isinstance(waiver, Waiver):
                yield Finding("waiver", f"{about} cannot be read", place)
                continue
            if not waiver.in_force(moment):
                message = f"{about} was not in force when the gate was judged"
                yield Finding("waiver", message, place)
            for reason in waiver_stands_in(waiver, result, checks.get(str(result["id"]))):
                yield Finding("waiver", f"{about} {reason}", place)


def _sign_offs(
    folder: Path,
    report: Mapping[str, Any],
    signers: AllowedSigners,
    moment: datetime,
    outcomes: dict[str, str],
) -> Iterator[Finding]:
    place = f"{FOLDER}/{report['gate']}"
    passed = [
        result
        for result in report["results"]
        if result["area"] == SIGN_OFF_AREA and result["verdict"] in RELEASING
    ]
    counted = {
        Path(path).stem: result["id"]
        for result in passed
        for path in result["evidence"]
        if path.startswith(f"{place}/")
    }
    if len(counted) != len(passed):
        message = "a sign-off that counted does not name its statement"
        yield Finding("sign_off", message, report_path(report["gate"]))
    if report["verdict"] != NO_GO and not counted:
        message = f"it is a {report['verdict']}, and no role signed off"
        yield Finding("sign_off", message, report_path(report["gate"]))
    if not counted:
        return
    subject = Subject.of(report["gate"], sign_off_subject(report))
    roles = list(counted)
    signed = read_statements(folder / place, "sign-off", subject, roles, signers, moment)
    for role, signature in signed.items():
        outcomes[f"sign-off {role}"] = signature.reason or "good"
        if not signature.valid:
            message = f"counted in {counted[role]}, and is void: {signature.reason}"
            yield Finding("sign_off", message, f"{place}/{role}.json")
