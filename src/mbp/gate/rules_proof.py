"""The rule over the proof of the rules: each caught the fault that was planted for it."""

from __future__ import annotations

from mbp.contracts import all_rules, load_contracts
from mbp.errors import MbpError
from mbp.gate.context import Context, NotMeasuredError
from mbp.gate.definition import CheckDefinition
from mbp.gate.rules import BOUND, Judged, listed, rule
from mbp.quality.proof import GAPS, verdict_of
from mbp.warehouse.connection import engine_of


@rule("evidence", optional=BOUND)
def rules_proved(context: Context, check: CheckDefinition) -> Judged:
    """Every rule of the contracts caught its planted fault, on the engine of this target."""
    found = context.evidence(check.source)
    content = found.content
    try:
        proved = {str(one["rule_id"]): one for one in content["rules"]}
        derived, engine = verdict_of(content), str(content["engine"])
        gaps = [f"{name}: {one}" for name in GAPS for one in content[name]]
        wrong = [
            f"{name}: {'; '.join(map(str, one['problems'])) or 'not proved'}"
            for name, one in sorted(proved.items())
            if one["proved"] is not True or one["problems"]
        ]
        severities = {name: str(one["severity"]) for name, one in proved.items()}
    except (KeyError, TypeError) as error:
        raise MbpError(
            f"does not say which rules were proved ({type(error).__name__}: {error})",
            path=found.path,
            cure="measure again: the command writes it anew",
        ) from error
    wanted = {one.id: one.severity for one in all_rules(load_contracts(context.root))}
    missing = sorted(name for name in wanted if severities.get(name) != wanted[name])
    if derived == "not_measured" or missing:
        first = f", among them {missing[0]}" if missing else ""
        raise NotMeasuredError(
            f"{len(missing) or 'some'} of {len(wanted)} rules were not proved{first}",
            path=found.path,
        )
    if engine != (needed := engine_of(context.root, context.target)):
        raise NotMeasuredError(f"proved on {engine}, not on {needed}", path=found.path)
    if found.verdict != derived:
        wrong.append(f"the file says {found.verdict}, its results say {derived}")
    total = f"{len(wanted)} rules, each caught its fault on {engine}"
    caught = sum(one["proved"] is True for one in proved.values())
    return listed([*wrong, *gaps], total, f"{caught} of {len(wanted)}")
