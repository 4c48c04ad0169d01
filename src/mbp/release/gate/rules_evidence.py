"""Rules over evidence: what commands measured, of this source and this data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.exercises import Exercise, load_exercises
from mbp.contracts.gates import CheckDefinition
from mbp.contracts.hook_policy import demand_whole
from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.operate.hooks.actions import recovery_limit, rollback_limit
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import BOUND, RuleJudgement, listed, passed, rule
from mbp.runs import exercise_report as exercises
from mbp.runs.derivation import UnmeasuredError
from mbp.runs.derive_runs import has_passed, lacks_source, of_proof
from mbp.runs.derive_scans import log_findings
from mbp.runs.envelope import Evidence
from mbp.warehouse.connection import engine_of


class _Time(NamedTuple):
    what: str
    seconds: float
    limit: int

    def __str__(self) -> str:
        return f"{self.what} after {self.seconds:g} s (limit {self.limit:g} s)"


@rule("evidence", optional=BOUND)
def passed_evidence(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The measurement passed."""
    return _passed(context.evidence(check.source))


def _passed(evidence: Evidence) -> RuleJudgement:
    if evidence.verdict == "not_measured":
        raise NotMeasuredError(evidence.summary, path=evidence.path)
    return passed(evidence.verdict == "pass", evidence.summary, found=evidence.findings)


@rule("evidence", optional=BOUND)
def live_grants(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The measurement passed, and on PostgreSQL it is of that server and not of one started for it."""
    evidence = context.evidence(check.source)
    if engine_of(context.root, context.target) == "postgres" and evidence.target != context.target:
        raise NotMeasuredError("a separate server was checked, not this one", path=evidence.path)
    return _passed(evidence)


@rule("evidence", optional=BOUND)
def no_drift(context: Context, check: CheckDefinition) -> RuleJudgement:
    """No difference was found, or only changes of contracts that carry a waiver each."""
    evidence = context.evidence(check.source)
    judged = _passed(evidence)
    if judged.verdict == "pass":
        return judged
    content = _details(evidence)
    changes = tuple(str(change.get("fingerprint") or "") for change in content["changes"])
    return RuleJudgement(
        Verdict.FAIL,
        judged.message,
        changes=tuple(sorted(set(changes) - {""})),
        wholly=not content["drift"] and all(changes),
        found=judged.found,
    )


@rule("evidence", optional=BOUND)
def no_broken_rule(context: Context, check: CheckDefinition) -> RuleJudgement:
    """No error rule is broken, was not run or not measured; a rule that carries a waiver may be."""
    evidence = context.evidence(check.source)
    if evidence.verdict == "pass":
        return _passed(evidence)
    rules = _details(evidence) or ()
    unmeasured = {str(rule["rule_id"]) for rule in rules if lacks_source(rule)}
    if evidence.verdict == "not_measured" and not unmeasured:
        return _passed(evidence)
    open_rules = {
        # A rule that fails without a count of rows (a constraint that stopped the load) is one finding.
        str(rule["rule_id"]): rule.get("failing_rows") or 1 if rule["verdict"] == "fail" else 0
        for rule in rules
        if rule["verdict"] != "pass"
    }
    return RuleJudgement(
        Verdict.FAIL if open_rules.keys() - unmeasured else Verdict.NOT_MEASURED,
        evidence.summary,
        rule_ids=open_rules,
        wholly=bool(open_rules),
        found=evidence.findings,
    )


@rule("evidence", optional=BOUND)
def every_exercise(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Every exercise of the file of today passed, each on this source, and no weakened hook went unnoticed."""
    ran = exercises.runs(context.evidence(check.source))
    wanted = load_exercises(context.root, demand_whole(context.look.policy))
    wrong = {
        exercise.id: problems
        for exercise in wanted
        if (problems := _wrong(context, exercise, ran.get(exercise.id)))
    }
    times = [
        time for exercise in wanted for time in _times(context, exercise, ran.get(exercise.id))
    ]
    texts = [f"{name}: {problem}" for name, problems in wrong.items() for problem in problems]
    total = len(wanted)
    return listed(texts, many(total, "exercise"), _counted(total - len(wrong), total, times))


@rule("evidence", "actions", optional=BOUND)
def actions_exercised(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Each of the actions was carried out by an exercise that passed on this source."""
    ran = exercises.runs(context.evidence(check.source))
    done: dict[str, list[str]] = {}
    times: list[_Time] = []
    wanted = [str(action) for action in check.source["actions"]]
    for exercise in load_exercises(context.root, demand_whole(context.look.policy)):
        entry = ran.get(exercise.id)
        if entry is None or _wrong(context, exercise, entry):
            continue
        did = {part for decision in entry["decisions"] for part in decision["action"].split("+")}
        for action in did:
            done.setdefault(action, []).append(exercise.id)
        if did & set(wanted):
            times += _times(context, exercise, entry)
    missing = [
        f"no exercise on this source did {action}" for action in wanted if action not in done
    ]
    message = "; ".join(
        f"{action} by {', '.join(done[action])}" for action in wanted if action in done
    )
    return listed(missing, message, _counted(len(wanted) - len(missing), len(wanted), times))


@rule("evidence", optional=BOUND)
def clean_logs(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The scan read sampled log lines, and found no personal data in them."""
    evidence = context.evidence(check.source)
    try:
        lines, findings = log_findings(evidence.content)
    except UnmeasuredError as error:
        raise NotMeasuredError(str(error), path=evidence.path) from error
    measured = many(findings, "finding")
    message = f"{many(lines, 'line')}, {measured}"
    return passed(findings == 0, message, f"{message} (limit 0)", findings)


def _counted(good: int, total: int, times: Sequence[_Time]) -> str:
    """So many of all, and the measured time that is nearest to its limit."""
    if not times:
        return f"{good} of {total}"
    nearest = max(times, key=lambda time: time.seconds / time.limit)
    return f"{good} of {total}; nearest to its limit: {nearest}"


def _times(
    context: Context, exercise: Exercise, entry: Mapping[str, Any] | None
) -> Iterator[_Time]:
    """Decisions and recoveries that have a limit."""
    policy = context.look.policy
    for decision in entry["decisions"] if entry else ():
        limit = exercise.detect_within_seconds or rollback_limit(
            policy, decision["hook"], decision["reason"]
        )
        if limit is not None:
            yield _Time(f"{exercise.id} decided", float(decision["detect_seconds"]), limit)
        hook = policy.hooks.get(decision["hook"])
        limit = exercise.recover_within_seconds or (
            recovery_limit(policy, hook.kpi.id) if hook else None
        )
        if entry and entry["recover_seconds"] is not None and limit is not None:
            yield _Time(f"{exercise.id} recovered", float(entry["recover_seconds"]), limit)


def _wrong(context: Context, exercise: Exercise, entry: Mapping[str, Any] | None) -> Sequence[str]:
    if entry is None:
        return ["never run"]
    if entry.get("source") != context.source.digest:
        return ["last run on another source"]
    if problem := exercises.time_problem(entry, context.now):
        return [problem]
    if not has_passed(entry):
        return [str(next(iter(entry.get("problems") or ["failed"])))]
    if late := [
        str(time) for time in _times(context, exercise, entry) if time.seconds > time.limit
    ]:
        return late
    if not entry["mutants_killed"]:
        return ["no weakened hook was tried: it ran without --mutations"]
    return [
        f"the mutant {name} survived" for name, died in entry["mutants_killed"].items() if not died
    ]


def _details(evidence: Evidence) -> Any:
    """What `mbp kpi collect` found, one by one."""
    try:
        return evidence.content["evidence"]
    except KeyError as error:
        raise MbpError(
            "does not say what was found",
            path=evidence.path,
            fix="measure again: the command writes it again",
        ) from error


@rule("evidence", optional=BOUND)
def rules_proved(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Every rule of the contracts caught its planted fault, on the engine of this target."""
    evidence = context.evidence(check.source)
    # The verdict of the file follows from its content: `mbp.runs.envelope.read` refuses another one.
    content = evidence.content
    try:
        wrong = [] if evidence.verdict == "not_measured" else of_proof(content, lambda _: None)
        engine = str(content["engine"])
        proved = sum(rule["proved"] is True for rule in content["rules"])
        severities = {str(rule["rule_id"]): str(rule["severity"]) for rule in content["rules"]}
    except (KeyError, TypeError) as error:
        raise MbpError(
            f"does not say which rules were proved ({type(error).__name__}: {error})",
            path=evidence.path,
            fix="measure again: the command writes it again",
        ) from error
    wanted = {rule.id: rule.severity for rule in all_rules(load_contracts(context.root))}
    missing = sorted(name for name in wanted if severities.get(name) != wanted[name])
    if evidence.verdict == "not_measured" or missing:
        first = f", among them {missing[0]}" if missing else ""
        raise NotMeasuredError(
            f"{len(missing) or 'some'} of {len(wanted)} rules were not proved{first}",
            path=evidence.path,
        )
    if engine != (needed := engine_of(context.root, context.target)):
        raise NotMeasuredError(f"proved on {engine}, not on {needed}", path=evidence.path)
    total = f"{len(wanted)} rules, each caught its fault on {engine}"
    return listed(wrong, total, f"{proved} of {len(wanted)}")
