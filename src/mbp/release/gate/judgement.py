"""How a check is judged: one function per rule, by the name that gate definitions use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mbp.core.verdict import Verdict
from mbp.core.wording import few

# (Context, CheckDefinition); the modules of the rules import this one, so it names neither.
Judge = Callable[[Any, Any], "RuleJudgement"]


# What every rule over evidence knows beside the name.
BOUND = ("of", "max_age_hours")


@dataclass(frozen=True)
class RuleJudgement:
    """What a rule found.

    Attributes:
        message: in a sentence.
        measured: the value that was judged, with its unit.
        rule_ids, changes: what a waiver would have to cover, one by one, to cover this check: rules of
            contracts with the rows that break each (0: not measured), fingerprints of contract changes.
        wholly: False when something beside them is wrong, which such waivers do not cover.
        found: how many things are wrong when it fails.
    """

    verdict: Verdict
    message: str
    measured: str = ""
    rule_ids: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    wholly: bool = True
    found: int = 1

    @property
    def findings(self) -> int:
        """What a waiver of the check has to be signed for; 0: the check was not measured."""
        return self.found if self.verdict == Verdict.FAIL else 0


@dataclass(frozen=True)
class GateRule:
    """A way to judge.

    Attributes:
        wants, knows: keys of `source` that must and that may be there.
        meaning: for readers, the first line of the function's docstring.
    """

    name: str
    judge: Judge
    wants: frozenset[str]
    knows: frozenset[str]
    meaning: str


RULES: dict[str, GateRule] = {}


def rule(*wants: str, optional: tuple[str, ...] = ()) -> Callable[[Judge], Judge]:
    """Registers a function as the rule of its name."""

    def add(judge: Judge) -> Judge:
        meaning = (judge.__doc__ or "").splitlines()[0]
        RULES[judge.__name__] = GateRule(
            judge.__name__, judge, frozenset(wants), frozenset(wants) | set(optional), meaning
        )
        return judge

    return add


def passed(holds: bool, message: str, measured: str = "", found: int = 1) -> RuleJudgement:
    """Pass, or fail with so many findings."""
    verdict = Verdict.PASS if holds else Verdict.FAIL
    return RuleJudgement(verdict, message, measured, found=found)


def listed(wrong: list[str], fine: str, measured: str = "") -> RuleJudgement:
    """Passes when nothing is wrong; a long list is cut, and says so."""
    return passed(not wrong, few(wrong) if wrong else fine, measured, len(wrong))
