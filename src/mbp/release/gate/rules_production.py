"""Rules that tell a release from a rehearsal: whose data, and which engine."""

from __future__ import annotations

from mbp.contracts.gates import CheckDefinition
from mbp.core.errors import MbpError
from mbp.release.gate.basis import ENGINES, engine_name
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import RuleJudgement, passed, rule


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
