"""What a verdict rests on: data, engine and measured rules; and the rules that tell a release from a rehearsal."""

from __future__ import annotations

from mbp.contracts.gates import CheckDefinition, Gate
from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import RuleJudgement, passed, rule
from mbp.warehouse.connection import engine_of

ENGINES = {"duckdb": "DuckDB", "postgres": "PostgreSQL", "spark": "Spark"}
# The rule of a gate whose evidence lists the verdict of each error rule.
RULE_VERDICTS = "no_broken_rule"


def engine_name(context: Context) -> str:
    """The engine of the gate's target, as people write it."""
    engine = engine_of(context.root, context.target)
    return ENGINES.get(engine, engine)


def basis_of(context: Context, gate: Gate) -> str:
    """What the verdict rests on; what is not known is said to be so."""
    try:
        data = context.origin.sentence
    except MbpError as error:
        data = f"data not known ({error.what})"
    return f"{data}; {engine_name(context)}; {_measured_rules(context, gate)}"


def _measured_rules(context: Context, gate: Gate) -> str:
    for check in gate.checks:
        if check.rule != RULE_VERDICTS:
            continue
        try:
            rules = context.evidence(check.source).content["evidence"]
            verdicts = [rule["verdict"] for rule in rules]
        except (MbpError, KeyError, TypeError):
            return "error rules not measured"
        unmeasured = (Verdict.NOT_MEASURED, Verdict.ERROR)
        measured = sum(verdict not in unmeasured for verdict in verdicts)
        return f"{measured} of {len(verdicts)} error rules measured"
    return "no check of error rules"


@rule("data")
def production_data(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The data came by loads or change data capture; it is not the committed sample."""
    if check.source["data"] != "production":
        raise MbpError(f"no data {check.source['data']!r}", fix="write data: production")
    origin = context.origin
    if not origin.sample and not origin.sources:
        raise NotMeasuredError("the warehouse recorded neither a load nor change data capture")
    return passed(not origin.sample, origin.sentence)


@rule("engine")
def production_engine(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The warehouse is of the engine that production has."""
    wanted = check.source["engine"]
    if wanted not in ENGINES:
        raise MbpError(f"no engine {wanted!r}", fix=f"write one of {', '.join(ENGINES)}")
    name = engine_name(context)
    return passed(name == ENGINES[wanted], f"{name}; production is {ENGINES[wanted]}", name)
