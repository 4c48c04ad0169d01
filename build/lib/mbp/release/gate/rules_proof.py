"""The rule over the proof of the rules: each caught the fault that was planted for it."""

from __future__ import annotations

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.gates import CheckDefinition
from mbp.core.errors import MbpError
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import BOUND, RuleJudgement, listed, rule
from mbp.runs.derive_runs import of_proof
from mbp.warehouse.connection import engine_of


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
