"""One fault per rule: `mbp simulate --fault <rule id>` and the proof that every rule works."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from lab.simulate import schema
from lab.simulate.faults import generic, log, mart
from lab.simulate.faults.domain import domain_faults
from lab.simulate.faults.editor import Editor
from lab.simulate.faults.expected import Expectation, expected_findings
from lab.simulate.faults.fault_model import Fault, FaultRule
from mbp.contracts import load_contracts
from mbp.contracts.rules import all_rules
from mbp.core.errors import MbpError
from mbp.core.paths import project_root

# Without a dataset these name the largest log.
ALIASES = {"cdc_no_loss": "mbp_quotes_cdc_no_loss", "cdc_order": "mbp_quotes_cdc_order"}


def faults_of(rules: Iterable[FaultRule]) -> dict[str, Fault]:
    """The fault of every rule that one is known for, by rule id, sorted."""
    rules = list(rules)
    max_ages = {
        rule.dataset: float(rule.arguments["max_age_seconds"])
        for rule in rules
        if rule.test == "fresh_within"
    }
    by_hand = domain_faults()
    faults: dict[str, Fault] = {}
    for rule in sorted(rules, key=lambda rule: rule.id):
        fault = by_hand.get(rule.id) or _derived(rule, max_ages)
        if fault is not None:
            faults[rule.id] = fault
    return faults


def _derived(rule: FaultRule, max_ages: dict[str, float]) -> Fault | None:
    unlogged = rule.dataset in schema.CONTRACTS and rule.dataset not in schema.LOGS
    if unlogged or schema.DERIVED.get(rule.dataset, frozenset()).intersection(rule.columns[:1]):
        return mart.broken_row(rule)
    test = rule.test.rpartition(".")[2]  # with or without the package's name
    if test in generic.BUILDERS:
        return generic.BUILDERS[test](rule)
    if test == "expect_table_row_count_to_be_between":
        return log.too_few(rule)
    if test == "fresh_within":
        return log.stale(rule, max_ages)
    builders = {"lag_p95_within": log.late, "cdc_no_loss": log.lost, "cdc_order": log.contradiction}
    return builders[test](rule) if test in builders else None


def all_faults(root: Path | None = None) -> dict[str, Fault]:
    """The faults of all rules of the project's contracts.

    Raises:
        MbpError: no project here, or a contract cannot be read.
    """
    return faults_of(all_rules(load_contracts(root or project_root())))


def find(rule_id: str, root: Path | None = None) -> Fault:
    """The fault of one rule.

    Raises:
        MbpError: no fault of that name; names the nearest one.
    """
    known = all_faults(root)
    name = ALIASES.get(rule_id, rule_id)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, [*known, *ALIASES], n=1, cutoff=0.4)
    guess = f"did you mean {near[0]}? " if near else ""
    raise MbpError(
        f"--fault {rule_id}: no rule has a fault of that name",
        fix=f"{guess}`mbp simulate --list-faults` prints all",
    )


__all__ = [
    "ALIASES",
    "Editor",
    "Expectation",
    "Fault",
    "FaultRule",
    "all_faults",
    "expected_findings",
    "faults_of",
    "find",
]
