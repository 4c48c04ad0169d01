"""Does the report in a pack answer the definition in it, and does the evidence say what the report says?

A signer of packs could sign a report that leaves out a check. Like
`mbp.release.evidence.verify_pack` this knows no warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.contracts.waiver import WAIVER_DAYS, Waiver
from mbp.core import moments
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.core.yaml_io import loads, plain
from mbp.release.evidence.statement import report_path
from mbp.release.gate.signoffs import SIGN_OFF_ID
from mbp.runs.derivation import UnmeasuredError
from mbp.runs.derive_runs import actions_done
from mbp.runs.derive_scans import log_findings

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
