"""Which waivers hold and why the others do not (each reason is a finding with its fix); what valid ones let through."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import RULES as EXCEPTION_RULES
from mbp.contracts.exceptions import exception_findings
from mbp.contracts.registry.registry_check import check_all, forbidden
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.waiver import (
    APPROVERS,
    FOLDER,
    SIGNATURES,
    SUFFIX,
    Waiver,
    files,
    form_finding,
    read_waiver,
)
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite, read_codes
from mbp.core.schema_check import did_you_mean
from mbp.release.signing.signatures import AllowedSigners
from mbp.release.signing.statements import Signed, file_names, read_statements
from mbp.release.waivers.known import Waivable

RULES = EXCEPTION_RULES | read_codes("mbp.release.waivers", "waiver_codes.yaml")


@dataclass(frozen=True)
class JudgedWaiver:
    """One waiver, with everything that keeps it from holding."""

    waiver: Waiver
    findings: tuple[Finding, ...]
    approvals: Mapping[str, Signed]

    @property
    def valid(self) -> bool:
        """Nothing keeps it from holding."""
        return not self.findings


@dataclass(frozen=True)
class Waivers:
    """All waivers of the project at one instant.

    Attributes:
        checked: every file that was checked; the folder when there is none.
        problems: whatever is wrong with any of them, by place.
    """

    judged: tuple[JudgedWaiver, ...]
    checked: tuple[str, ...]
    problems: tuple[Finding, ...]

    def for_check(self, name: str) -> Waiver | None:
        """The valid waiver of a check of the gate."""
        return self._valid("gate_check", name)

    def for_rule(self, name: str) -> Waiver | None:
        """The valid waiver of a rule of the contracts."""
        return self._valid("rule", name)

    def for_change(self, fingerprint: str) -> Waiver | None:
        """The valid waiver of a change between contracts."""
        return self._valid("change", fingerprint)

    def suite(self, now: datetime, only: str | None = None) -> Suite:
        """The check as a suite of findings, and every waiver for machines.

        Args:
            only: the waiver that is asked for.

        Raises:
            MbpError: there is no waiver of that id.
        """
        names = {Path(place).stem for place in self.checked if place != FOLDER}
        if only is not None and only not in names:
            raise MbpError(f"no waiver {only!r}", path=FOLDER, fix=did_you_mean(only, names))
        wanted = [judged for judged in self.judged if only in (None, judged.waiver.id)]
        places = [place for place in self.checked if only in (None, Path(place).stem)]
        return Suite(
            "mbp waiver check",
            places,
            [problem for problem in self.problems if only is None or problem.subject == only],
            RULES,
            {"waivers": [record(judged_waiver, now) for judged_waiver in wanted]},
        )

    def _valid(self, kind: str, name: str) -> Waiver | None:
        for judged_waiver in self.judged:
            if judged_waiver.valid and judged_waiver.waiver.key == (kind, name):
                return judged_waiver.waiver
        return None


def record(judged_waiver: JudgedWaiver, now: datetime) -> dict[str, Any]:
    """One waiver for machines."""
    waiver = judged_waiver.waiver
    return {
        "id": waiver.id,
        "covers": {waiver.code: waiver.object},
        "findings": waiver.findings,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "risk": waiver.document["risk"],
        "opened": waiver.opened.isoformat(),
        "expires": waiver.until.isoformat(),
        "days_left": waiver.days_left(now),
        "rollback": waiver.document["rollback"],
        "path": waiver.path,
        "valid": judged_waiver.valid,
        "reasons": [finding.message for finding in judged_waiver.findings],
        "approvals": {
            role: {
                "valid": signed.valid,
                "reason": signed.reason,
                "signed_at": signed.signed_at.isoformat() if signed.signed_at else None,
                "fingerprint": signed.fingerprint,
            }
            for role, signed in judged_waiver.approvals.items()
        },
    }


def valid_waivers(
    root: Path,
    now: datetime,
    *,
    gate_checks: Mapping[str, bool] | None = None,
    changes: Mapping[str, Sequence[str]] | None = None,
) -> Waivers:
    """Every waiver of the project, judged.

    Args:
        now: in UTC.
        gate_checks: check id -> waivable; read from the gates when a waiver asks and it is not given.
        changes: fingerprint of a forbidden change -> its datasets; compared when a waiver asks and it is not given.

    Raises:
        MbpError: ssh-keygen, allowed_signers, or what a waiver names (contracts, gate, policy) cannot be used.
    """
    known = Waivable(root, gate_checks, changes)
    waivers: list[Waiver] = []
    problems: list[Finding] = []
    places = files(root)
    for path in places:
        read = read_waiver(path, root)
        if isinstance(read, Waiver):
            waivers.append(read)
        else:
            problems += read
    problems += _strays(root, {path.stem for path in places})
    judged = [_judged(root, waiver, waivers, known, now) for waiver in waivers]
    problems += [finding for judged_waiver in judged for finding in judged_waiver.findings]
    return Waivers(
        tuple(judged),
        tuple(shown(path, root) for path in places) or (FOLDER,),
        tuple(
            sorted(
                problems,
                key=lambda problem: problem.order,
            )
        ),
    )


def content_findings(
    waiver: Waiver, every: Sequence[Waiver], known: Waivable, now: datetime
) -> Iterator[Finding]:
    """What is wrong with the waiver itself, its approvals and the rehearsal aside."""
    if Path(waiver.path).stem != waiver.id:
        yield _finding(waiver, "waiver_name", "id", f"the file is named {Path(waiver.path).name}")
    yield from _covered(waiver, known)
    if waiver.owner not in known.owners:
        fix = did_you_mean(waiver.owner, known.owners)
        yield _finding(waiver, "waiver_owner", "owner", f"no team is named {waiver.owner!r}", fix)
    if waiver.until < waiver.opened:
        yield _finding(waiver, "waiver_form", "until", "it expires before it opens")
    yield from exception_findings(
        [waiver], now.date(), objects=known.objects(waiver.code), furthest=waiver.furthest
    )
    exercise = waiver.rollback.exercise
    if exercise not in known.exercises:
        yield _finding(
            waiver,
            "waiver_not_rehearsed",
            "rollback",
            f"there is no exercise {exercise!r}",
            did_you_mean(exercise, known.exercises),
        )
    for other in every:
        if other.path != waiver.path and other.key == waiver.key:
            message = f"{other.path} covers the {waiver.code} {waiver.object} too"
            yield _finding(waiver, "waiver_duplicate", "object", message)


def _judged(
    root: Path, waiver: Waiver, every: Sequence[Waiver], known: Waivable, now: datetime
) -> JudgedWaiver:
    findings = list(content_findings(waiver, every, known, now))
    if now.date() < waiver.opened:
        findings.append(
            _finding(waiver, "waiver_not_open", "opened", f"it opens {waiver.opened.isoformat()}")
        )
    exercise = waiver.rollback.exercise
    if exercise in known.exercises:
        why = known.rehearsed.get(exercise, "it was never run")
        if why:
            message = f"the exercise {exercise} does not show that the rollback works: {why}"
            fix = f"`mbp exercise {exercise}` on this source state"
            findings.append(_finding(waiver, "waiver_not_rehearsed", "rollback", message, fix))
    approvals = read_statements(
        waiver.signatures(root),
        "waiver-approval",
        waiver.signed_content,
        APPROVERS,
        AllowedSigners.load(root),
        now,
    )
    for role, signed in approvals.items():
        if signed.valid:
            continue
        code = "waiver_unsigned" if signed.signed_at is None else "waiver_approval_void"
        if signed.signed_at is None and (waiver.signatures(root) / f"{role}.json").exists():
            code = "waiver_approval_void"
        message = signed.reason if code == "waiver_unsigned" else f"{role}: {signed.reason}"
        fix = f"`mbp waiver sign {waiver.id} --role {role} --key <key>`"
        findings.append(_finding(waiver, code, "id", message, fix))
    return JudgedWaiver(waiver, tuple(findings), approvals)


def _covered(waiver: Waiver, known: Waivable) -> Iterator[Finding]:
    message, fix = "", ""
    if waiver.code == "gate_check" and known.checks.get(waiver.object) is False:
        message = f"the check {waiver.object} cannot be waived"
    elif waiver.code == "change" and len(datasets := known.changes.get(waiver.object, ())) > 1:
        message = f"the change {waiver.object} is one of {' and of '.join(datasets)}"
        fix = "undo it in all of them but one: the approval is for one change only"
    if message:
        yield _finding(waiver, "waiver_not_waivable", "object", message, fix)


def _strays(root: Path, ids: Collection[str]) -> Iterator[Finding]:
    folder = root / FOLDER
    signatures = root / SIGNATURES
    allowed = file_names(APPROVERS)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path != signatures and (path.suffix != SUFFIX or not path.is_file()):
            yield _stray(path, root, "it is no <id>.yaml")
    for path in sorted(signatures.iterdir()) if signatures.is_dir() else ():
        if not path.is_dir() or path.name not in ids:
            yield _stray(path, root, "there is no waiver of that id")
            continue
        for inner in sorted(path.iterdir()):
            if inner.name not in allowed:
                message = f"an approval is <role>.json and its .sig, of {', '.join(APPROVERS)}"
                yield _stray(inner, root, message)


def _stray(path: Path, root: Path, message: str) -> Finding:
    subject = path.parent.name if path.parent.parent.name == "signatures" else path.name
    return Finding(
        "waiver_stray", message, shown(path, root), subject=subject, fix=RULES["waiver_stray"].fix
    )


def _finding(waiver: Waiver, code: str, key: str, message: str, fix: str = "") -> Finding:
    line = waiver.lines.get(key)
    if code == "waiver_form":
        return form_finding(waiver.path, line, waiver.id, message, None)
    return Finding(code, message, waiver.path, line, waiver.id, fix or RULES[code].fix)


def check_waived(
    root: Path, names: Sequence[str], ref: str | None, *, today: date, now: datetime
) -> list[Checked]:
    """`check_all`, with forbidden changes let through until their valid waivers expire.

    Args:
        now: in UTC.

    Raises:
        MbpError: as `check_all`, or something blocks and the waivers cannot be judged.
    """
    checkeds = check_all(root, names, ref, today=today)
    if not any(judged.blocks for checked in checkeds for judged in checked.judged):
        return checkeds
    waivers = valid_waivers(root, now, changes=forbidden(checkeds))
    return check_all(root, names, ref, today=today, waiver_of=waivers.for_change)


def waived_rules(root: Path, rule_ids: Sequence[str]) -> frozenset[str]:
    """Those of the rules that carry a valid waiver now; none when the waivers cannot be read."""
    if not rule_ids:
        return frozenset()
    try:
        waivers = valid_waivers(root, datetime.now(UTC))
    except MbpError:
        return frozenset()
    covering = {rule_id: waivers.for_rule(rule_id) for rule_id in rule_ids}
    return frozenset(name for name, waiver in covering.items() if waiver and waiver.covers(0))
