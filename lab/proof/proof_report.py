"""target/evidence/proof.json: per rule, whether the fault that was planted for it was caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.proof.proof_score import CLEAN, ProofScore
from mbp.runs import envelope

NAME = "proof"


def write_proof(begun: envelope.Begun, score: ProofScore) -> Path | None:
    """Writes the evidence of a whole run; None, and nothing is written, for a part of the rules.

    A part neither satisfies the gate nor may it take the place of a whole proof that does.
    """
    if not score.complete:
        return None
    content = content_of(score)
    proved = sum(rule["proved"] for rule in content["rules"])
    return envelope.write(
        begun,
        NAME,
        summary=f"{proved} of {len(content['rules'])} rules caught their fault on {score.engine}",
        content=content,
    )


def content_of(score: ProofScore) -> dict[str, Any]:
    """Per rule of the contracts: id, severity, proved, and the problems of its fault."""
    outcomes = {outcome.fault: outcome for outcome in score.outcomes}
    rules = []
    for rule_id, severity in sorted(score.severities.items()):
        outcome = outcomes.get(rule_id)
        problems = (
            ["no fault was planted for it"]
            if outcome is None
            else [
                *(f"missed by {name}" for name in outcome.missed),
                *outcome.wrong_rows,
                *(f"false alarm: {name}" for name in outcome.false_alarms),
            ]
        )
        rules.append(
            {
                "rule_id": rule_id,
                "severity": severity,
                "proved": not problems,
                "problems": problems,
            }
        )
    clean = outcomes.get(CLEAN)
    return {
        "engine": score.engine,
        "complete": score.complete,
        "rules": rules,
        "clean_sample": list(clean.false_alarms) if clean else ["not run"],
        "without_fault": list(score.without_fault),
        "without_rule": list(score.without_rule),
        "untested": list(score.untested),
        "overridden": list(score.overridden),
    }
