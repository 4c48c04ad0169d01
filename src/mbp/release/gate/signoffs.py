"""Sign-offs of a gate: each role signs the checklist that it saw, of the source and the definition of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.canonical_json import Subject
from mbp.core.errors import MbpError
from mbp.core.verdict import RELEASING, Verdict
from mbp.release.signing.signatures import AllowedSigners
from mbp.release.signing.statements import Signed, read_statements, write_statement

FOLDER = "contracts/gates/signoffs"
SIGN_OFF_ID = "sign_off_"
SignOff = Signed


def sign_off_subject(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is signed, of the document of a gate's report.

    Verdicts and not measured values: a new measurement with equal verdicts is the same checklist. A waived check names
    its waiver, so that another waiver is another checklist. The sample is built again where the release is made: its
    rows are signed, and not the one warehouse that held them.

    Raises:
        MbpError: the source is not known: it is unknown what was signed.
    """
    if not report["source"]:
        raise MbpError(
            "the source state is not known: there is nothing to sign",
            fix="run it in a git checkout of the project",
        )
    return {
        "gate": report["gate"],
        "definition": report["definition_sha256"],
        "source": report["source"],
        "target": report["target"],
        "warehouse": report["data" if report["sample"] else "warehouse"],
        "checklist": {
            result["id"]: f"{Verdict.WAIVED} by {result['waiver']}"
            if result["verdict"] == Verdict.WAIVED
            else result["verdict"]
            for result in report["results"]
            if result["area"] != SIGN_OFF_AREA
        },
    }


def open_checks(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Results that prevent a signature, neither passed nor waived; sign-offs and what a rehearsal needs not aside."""
    return [
        dict(result)
        for result in report["results"]
        if result["area"] != SIGN_OFF_AREA
        and result["verdict"] not in RELEASING
        and not result.get("rehearsal")
    ]


def read_sign_offs(
    root: Path,
    gate: str,
    subject: Mapping[str, Any],
    roles: Sequence[str],
    now: datetime,
    *,
    max_age: timedelta,
) -> dict[str, SignOff]:
    """Role -> its sign-off of the subject; every one of `roles` is there, valid or with the reason why not.

    Args:
        subject: of `sign_off_subject`.
        max_age: a sign-off that is older is void.

    Raises:
        MbpError: allowed_signers is wrong, or ssh-keygen cannot be run.
    """
    return read_statements(
        root / FOLDER / gate,
        "sign-off",
        Subject.of(gate, subject),
        roles,
        AllowedSigners.load(root),
        now,
        max_age=max_age,
    )


def sign_off(root: Path, report: Mapping[str, Any], role: str, key: Path, now: datetime) -> Path:
    """Signs the checklist of a report; the path of the statement.

    Raises:
        MbpError: a check is open (an unready release is not signed), or it cannot be signed.
    """
    standing = open_checks(report)
    if standing:
        raise MbpError(
            f"not signed: {len(standing)} checks are not passed, the first is {standing[0]['id']}",
            fix="fix them, or waive what may be waived; an unready release is not signed",
        )
    subject = sign_off_subject(report)
    if not subject["checklist"]:
        raise MbpError("not signed: the checklist is empty", fix="give the gate checks")
    gate = str(report["gate"])
    folder = root / FOLDER / gate
    return write_statement(root, folder, "sign-off", Subject.of(gate, subject), role, key, now)
