"""What a waiver may cover, and what rehearsed its rollback. Each is resolved only when a waiver names one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.exercises import FILE, ExerciseFile
from mbp.contracts.gates import load_gate
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.registry_check import check_all, forbidden
from mbp.core.forms import read_as
from mbp.core.gate_files import gates
from mbp.runs import envelope
from mbp.runs import exercise_report as exercises
from mbp.runs.derive_runs import has_passed


@dataclass(frozen=True)
class Waivable:
    """The things of one project.

    Args:
        given_checks: check id -> waivable, where the caller has read the gate already.
        given_changes: as `changes`, where the caller has compared the contracts already.
    """

    root: Path
    given_checks: Mapping[str, bool] | None = None
    given_changes: Mapping[str, Sequence[str]] | None = None

    @cached_property
    def checks(self) -> Mapping[str, bool]:
        """Check of a gate -> whether a waiver may cover it.

        Raises:
            MbpError: the definition of a gate is missing or wrong.
        """
        if self.given_checks is not None:
            return self.given_checks
        results: dict[str, bool] = {}
        for gate in gates(self.root):
            for name, waivable in load_gate(self.root, gate).waivable().items():
                # In two gates: waivable in both, or in none.
                results[name] = waivable and results.get(name, True)
        return results

    @cached_property
    def changes(self) -> Mapping[str, Sequence[str]]:
        """Fingerprint of each forbidden change that `mbp contracts check` reports now -> its datasets.

        Raises:
            MbpError: the contracts cannot be compared.
        """
        if self.given_changes is not None:
            return self.given_changes
        return forbidden(check_all(self.root, [], None, today=datetime.now(UTC).date()))

    def objects(self, code: str) -> Collection[str]:
        """What a waiver of this code may name: checks of the gates, rules, or fingerprints of changes.

        Raises:
            MbpError: they cannot be read.
        """
        match code:
            case "gate_check":
                return self.checks
            case "rule":
                return self.rules
            case _:
                return self.changes

    @cached_property
    def rules(self) -> Collection[str]:
        """Ids of the rules of the contracts.

        Raises:
            MbpError: the contracts cannot be read.
        """
        return {rule.id for rule in all_rules(load_contracts(self.root))}

    @cached_property
    def owners(self) -> Collection[str]:
        """Teams that may own one.

        Raises:
            MbpError: the policy cannot be read.
        """
        return load_policy(self.root).owners

    @cached_property
    def exercises(self) -> Collection[str]:
        """Ids of the exercises.

        Raises:
            MbpError: the file of the exercises is missing or wrong.
        """
        return {exercise.id for exercise in read_as(ExerciseFile, self.root, FILE)[1].exercises}

    @cached_property
    def rehearsed(self) -> Mapping[str, str]:
        """Exercise -> why its last run proves nothing of the source as it is; empty when it does."""
        source = envelope.source_digest(self.root)
        try:
            ran = exercises.runs(envelope.read(self.root, exercises.NAME))
        except envelope.NoEvidenceError:
            return {}
        results: dict[str, str] = {}
        for name, run in ran.items():
            results[name] = ""
            if not has_passed(run):
                results[name] = "its last run failed"
            elif source is None or run.get("source") != source:
                results[name] = "its last run was of another source state"
            elif problem := exercises.time_problem(run, datetime.now(UTC)):
                results[name] = f"its last run {problem}"
        return results
