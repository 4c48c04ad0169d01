"""Judges every check of a gate, and then asks who signed, and what changed since the last release."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.gates import SIGN_OFF_AREA, CheckDefinition, Gate, load_gate
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.odcs_documents import git
from mbp.contracts.sheet import load_sheet
from mbp.contracts.waiver import Waiver
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.gate_files import gates
from mbp.core.moments import dated
from mbp.core.verdict import GO, RELEASING, Verdict, spelled
from mbp.core.wording import few, many
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.context import Context, is_sample
from mbp.release.gate.gate_forms import as_markdown
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.gate.judgement import RuleJudgement
from mbp.release.gate.rules_evidence import no_broken_rule
from mbp.release.gate.rules_warehouse import basis_of
from mbp.release.gate.signoffs import FOLDER, SIGN_OFF_ID, SignOff, read_sign_offs, sign_off_subject
from mbp.release.security.lock import read_lock
from mbp.runs import envelope
from mbp.runs.dbt_process import target_name
from mbp.runs.working_copy import WorkingCopy

T = TypeVar("T")
LOCK = "requirements.lock"


def run_gate(root: Path, gate: str, target: str | None) -> GateReport:
    """The checklist now: every check in the order of the file, then a sign-off per role.

    Raises:
        MbpError: there is no such gate, or its definition is wrong. Whatever else cannot be read fails its
            check as not measured.
    """
    definition = load_gate(root, gate, RULES)
    now = datetime.now(UTC)
    limit = definition.evidence_max_age_hours
    context = Context(root, target_name(root, target), now, limit, definition.waivable())
    report = GateReport(
        gate=definition.gate,
        title=definition.title,
        decided_at=now,
        commit=_known(lambda: context.source.commit),
        clean=_known(lambda: context.source.clean),
        source=_known(lambda: context.source.digest),
        target=context.target,
        warehouse=_known(lambda: context.control.warehouse_id),
        data=_known(lambda: context.data),
        basis=basis_of(context, definition),
        since=_known(lambda: since_last_go(root, gate).lines) or (),
        definition_sha256=definition.sha256,
        results=tuple(judge(context, check) for check in definition.checks),
        sample=_known(lambda: is_sample(root)) or False,
    )
    return replace(report, results=(*report.results, *_sign_offs(root, definition, report)))


def keep(root: Path, report: GateReport) -> Path:
    """Writes the report into target/evidence, as JSON and as Markdown; the path of the JSON."""
    name = f"gate_{report.gate}"
    # The report holds the source that it was judged by: one that differs now voids the evidence.
    source = None
    if report.commit and report.source and report.clean is not None:
        source = WorkingCopy(report.commit, report.clean, report.source)
    path = envelope.write(
        envelope.Begun(root, report.decided_at, source),
        name,
        summary=f"{report.gate}: {report.verdict}",
        content=report.document(),
        target=report.target,
        warehouse=report.warehouse,
        data=report.data,
    )
    write_text(envelope.evidence_folder(root) / f"{name}.md", as_markdown(report))
    return path


def judge(context: Context, check: CheckDefinition) -> CheckResult:
    """One check. A rule that cannot check, or crashes, has not measured; a waiver covers it where one is allowed."""
    judged = _judged(context, check)
    next_command = (check.details if judged.verdict == Verdict.FAIL else "") or check.command
    verdict = judged.verdict
    waivers = _standing_in(context, check, judged) if verdict != Verdict.PASS else ()
    message, until = judged.message, None
    if short := [
        f"; the waiver {waiver.id} is signed for {many(waiver.findings, 'finding')}, not for {count}"
        for waiver, count in waivers
        if not waiver.covers(count)
    ]:
        message += "".join(short)
    elif waivers:
        until = min(waiver.until for waiver, _ in waivers)
        message = f"{spelled(verdict)}: {message}; {waivers[0][0].reason}"
        verdict = Verdict.WAIVED
    return CheckResult(
        check.id,
        check.area,
        check.what,
        verdict,
        message,
        "; ".join(text for text in (judged.measured, _measured_at(context, check)) if text),
        tuple(check.evidence),
        check.owner,
        check.waivable,
        check.no_go,
        check.rehearsal,
        "" if verdict in RELEASING else next_command,
        "+".join(sorted(waiver.id for waiver, _ in waivers)) if until else None,
        until,
        judged.findings,
    )


def findings_now(root: Path, target: str | None, kind: str, name: str) -> int:
    """How many findings a waiver has to be signed for: of a check, or of a rule in the check that lists it.

    Raises:
        MbpError: the definition of a gate is wrong.
    """
    for gate in gates(root):
        definition = load_gate(root, gate, RULES)
        hours = definition.evidence_max_age_hours
        context = Context(root, target_name(root, target), datetime.now(UTC), hours, {})
        for check in definition.checks:
            if (kind, name) == ("gate_check", check.id):
                judged = _judged(context, check)
                return 1 if judged.verdict == Verdict.PASS else judged.findings
            if kind == "rule" and check.rule == no_broken_rule.__name__:
                return _judged(context, check).rule_ids.get(name, 1)
    return 1


def _judged(context: Context, check: CheckDefinition) -> RuleJudgement:
    try:
        return RULES[check.rule].judge(context, check)
    except MbpError as error:
        return RuleJudgement(
            Verdict.NOT_MEASURED, f"{error.path}: {error.what}" if error.path else error.what
        )
    except Exception as error:  # a crash checked nothing: it must fail its check, and no other
        return RuleJudgement(
            Verdict.NOT_MEASURED, f"the rule crashed: {type(error).__name__}: {error}"
        )


def _measured_at(context: Context, check: CheckDefinition) -> str:
    """When the evidence was measured, also one that no longer counts; empty without any."""
    if "evidence" not in check.source:
        return ""
    try:
        claim = envelope.read(context.root, check.source["evidence"]).claim
    except MbpError:
        return ""
    return dated(claim.began_at, context.now, context.max_age(check.source))


def _standing_in(
    context: Context, check: CheckDefinition, judged: RuleJudgement
) -> Sequence[tuple[Waiver, int]]:
    """The valid waivers of what is wrong, each with the findings of its part; none where a part has no waiver."""
    if not check.waivable:
        return ()
    try:
        waivers = context.waivers
    except MbpError:
        return ()  # the check of the waivers reports why
    if whole := waivers.for_check(check.id):
        return [(whole, judged.findings)]
    parts = [(waivers.for_rule(name), count) for name, count in judged.rule_ids.items()]
    # A fingerprint is of one change.
    parts += [(waivers.for_change(name), 1) for name in judged.changes]
    kept = [(part, count) for part, count in parts if part is not None]
    return kept if judged.wholly and len(kept) == len(parts) else ()


def _sign_offs(root: Path, gate: Gate, report: GateReport) -> Iterator[CheckResult]:
    if not gate.sign_offs.roles:
        return
    max_age = timedelta(hours=gate.sign_offs.max_age_hours)
    signed: dict[str, SignOff] = {}
    reason = ""
    try:
        subject, now = sign_off_subject(report.document()), report.decided_at
        signed = read_sign_offs(
            root, gate.gate, subject, list(gate.sign_offs.roles), now, max_age=max_age
        )
    except MbpError as error:
        reason = str(error)
    for role, meaning in gate.sign_offs.roles.items():
        verdict, message, signed_at = Verdict.NOT_MEASURED, reason, ""
        command = f"mbp gate sign --role {role} --key <your SSH key>"
        if role in signed and signed[role].valid:
            verdict, message = Verdict.PASS, f"signed by {signed[role].fingerprint}"
            moment = signed[role].signed_at
            signed_at = dated(moment, report.decided_at, max_age) if moment else ""
        elif role in signed:
            message = signed[role].reason
        yield CheckResult(
            f"{SIGN_OFF_ID}{role}",
            SIGN_OFF_AREA,
            f"{role} ({meaning}) signed this checklist",
            verdict,
            message,
            signed_at,
            (f"{FOLDER}/{gate.gate}/{role}.json", "contracts/gates/allowed_signers"),
            gate.sign_offs.owner,
            False,
            False,
            next_command="" if verdict == Verdict.PASS else command,
        )


def _known(read: Callable[[], T]) -> T | None:
    """What is only shown: the checks tell why it is not known."""
    try:
        return read()
    except MbpError:
        return None


@dataclass(frozen=True)
class SinceLastGo:
    """Attributes:
    tag: the anchor of the last release (`mbp evidence anchor`); empty: there was none.
    changes: a sentence per part that changed.
    """

    tag: str = ""
    changes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """For people."""
        if not self.tag:
            return ["No earlier GO is anchored in this repository"]
        return [f"Since {self.tag}:", *(self.changes or ("nothing that is compared",))]


def since_last_go(root: Path, gate: str) -> SinceLastGo:
    """The differences between the commit of the last anchored GO and the working tree.

    Parts that one of the two states cannot show are named as not compared.

    Raises:
        MbpError: not a git repository.
    """
    tag = _last_anchor(root, gate)
    if tag is None:
        return SinceLastGo()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder)
        archive = before / "tree.tar"
        git(root, "archive", "--format=tar", f"--output={archive}", tag)
        with tarfile.open(archive) as tar:
            tar.extractall(before, filter="data")
        return SinceLastGo(tag, tuple(_changes(before, root)))


def _last_anchor(root: Path, gate: str) -> str | None:
    tags = git(
        root,
        "for-each-ref",
        "--sort=-creatordate",
        "--format=%(refname:short)%09%(contents:subject)",
        f"refs/tags/anchor-{gate}-*",
    )
    entries = (line.split("\t", 1) for line in tags.splitlines())
    return next((tag for tag, subject in entries if subject.endswith(f": {GO}")), None)


def _changes(before: Path, now: Path) -> Iterator[str]:
    for name, read in PARTS.items():
        try:
            old, new = read(before), read(now)
        except MbpError as error:
            yield f"{name}: not compared ({error.what})"
            continue
        changed = [
            f"{key} {old[key]} -> {new[key]}" for key in old if new.get(key, old[key]) != old[key]
        ]
        added = [f"+{key}" for key in new if key not in old]
        removed = [f"-{key}" for key in old if key not in new]
        if changed or added or removed:
            yield f"{name}: {few([*removed, *changed, *added])}"


def _contracts(root: Path) -> Mapping[str, str]:
    return {contract.dataset: contract.version for contract in load_contracts(root)}


def _rules(root: Path) -> Mapping[str, str]:
    return {rule.id: rule.severity for rule in all_rules(load_contracts(root))}


def _kpis(root: Path) -> Mapping[str, str]:
    sheet = load_sheet(root, load_policy(root))
    return {kpi.id: f"{kpi.target}" for kpi in sheet.kpis.values()}


PARTS: dict[str, Callable[[Path], Mapping[str, str]]] = {
    "contracts": _contracts,
    "rules": _rules,
    "KPIs": _kpis,
    "dependencies": lambda root: {pinned.name: pinned.version for pinned in read_lock(root, LOCK)},
}
