"""One model for the results of every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mbp.core.verdict import Verdict

Engine = Literal["dbt", "gx", "datacontract"]
# What an engine can say of a rule.
VERDICTS = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.WARN,
    Verdict.ERROR,
    Verdict.NOT_APPLICABLE,
    Verdict.NOT_MEASURED,
)
ENGINES: tuple[Engine, ...] = ("dbt", "gx", "datacontract")
SPELLED = {"dbt": "dbt", "gx": "Great Expectations", "datacontract": "datacontract-cli"}


@dataclass(frozen=True)
class RuleResult:
    """What one engine said of one rule.

    Attributes:
        verdict: warn is a rule of severity warning that does not hold; error is a rule that could not
            be evaluated, which is never a pass; not applicable is a rule that the engine cannot express; not
            measured is a rule that the loaded source lacks the facts for.
        failing_rows: None where the engine does not count rows.
        native: the engine's own check, not SQL handed to it.
        reason: why it cannot be expressed, or what went wrong.
    """

    rule_id: str
    dataset: str
    engine: Engine
    verdict: Verdict
    failing_rows: int | None = None
    duration_seconds: float = 0.0
    native: bool = True
    reason: str = ""
    sample: tuple[str, ...] = ()

    @property
    def caught(self) -> bool:
        """The rule did not hold, and the engine said so."""
        return self.verdict in (Verdict.FAIL, Verdict.WARN)

    @property
    def judged(self) -> bool:
        """The engine was asked about the rule."""
        return self.verdict not in (Verdict.NOT_APPLICABLE, Verdict.NOT_MEASURED)


@dataclass(frozen=True)
class EngineCheck:
    """A rule as one engine runs it.

    Attributes:
        query: returns the failing rows; None for a check in the engine's own form.
        reason: why the engine has no form for it, or cannot express it at all.
    """

    rule_id: str
    query: str | None = None
    reason: str = ""


def complete(
    results: Sequence[RuleResult], wanted: Sequence[tuple[str, str]], engine: Engine
) -> list[RuleResult]:
    """The results in the order of the rules; one that has none is an error, never a pass.

    Args:
        wanted: (rule id, dataset) of every rule that the engine was asked for.
    """
    rule_results = {result.rule_id: result for result in results}
    return [
        rule_results.get(rule_id)
        or RuleResult(rule_id, dataset, engine, Verdict.ERROR, reason="the engine gave no result")
        for rule_id, dataset in wanted
    ]
