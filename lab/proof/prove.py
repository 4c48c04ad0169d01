"""The bad project: every fault once, and the clean sample beside them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab.postgres_server import PostgresServer
from lab.proof.affected import Affected, affected_rules
from lab.proof.compiled_project import CompiledProject, compile_project
from lab.proof.proof_project import ProofProject
from lab.proof.proof_score import CLEAN, ExpectedFinding, FaultOutcome, ProofScore, judge
from lab.proof.sandbox import Sandbox
from lab.proof.sandbox_duckdb import DuckdbSandbox
from lab.proof.sandbox_postgres import PostgresSandbox
from lab.proof.shown_rows import ShownRows
from lab.simulate import Parameters, faults, generate
from mbp.contracts import load_contracts
from mbp.contracts.rules import all_rules
from mbp.core.errors import MbpError
from mbp.core.reporting.progress import SILENT, Progress, Say

ENGINES = ("duckdb", "postgres")
SCRATCH_DATABASE = "mbp_proof"


def prove(
    root: Path,
    *,
    engine: str = "duckdb",
    chosen: Collection[str] = (),
    changed_since: str | None = None,
    shown: Progress = SILENT,
) -> ProofScore:
    """Runs the clean control and the chosen faults (all without a choice) and judges them.

    Args:
        chosen: faults, by rule id.
        changed_since: a git ref; only the rules that differ from it are proved, and each of them has to be.

    Raises:
        MbpError: unknown engine, fault or ref, no fault at all, or the clean project cannot be built.
    """
    if engine not in ENGINES:
        raise MbpError(f"unknown engine {engine!r}", fix=f"use one of {', '.join(ENGINES)}")
    if chosen and changed_since is not None:
        raise MbpError("both single faults and what changed were asked for", fix="use one of them")
    started = time.perf_counter()
    contracts = load_contracts(root)
    contracted = all_rules(contracts)
    severities = {rule.id: rule.severity for rule in contracted}
    rules = severities.keys()
    known = faults.all_faults(root)
    named = [faults.find(name, root).rule_id for name in chosen]
    expected = {
        fault: [
            ExpectedFinding(finding.rule, finding.rows, severities.get(finding.rule, "error"))
            for finding in findings
        ]
        for fault, findings in faults.expected_findings(root).items()
    }
    affected: Affected | None = None
    outcomes: list[FaultOutcome] = []
    with _sandbox(root, engine, shown.say) as (sandbox, project, changes):
        tested = {test.rule_id for test in project.tests}
        if changed_since is not None:
            shown.say(f"compiling {changed_since} to compare with")
            affected = affected_rules(root, changed_since, project, contracted, engine, changes)
            shown.say(affected.reason)
            wanted = sorted(known.keys() & affected.rules)
        else:
            wanted = _choose(named, known)
        # A fault without an entry breaks rows of its rule, and nothing else.
        expected = {
            fault: expected.get(fault)
            or [ExpectedFinding(fault, known[fault].rows, severities.get(fault, "error"))]
            for fault in {*wanted, *expected}
        }
        if wanted:
            # PostgreSQL can only say outside of a transaction that a query is read-only: see lab.parity.
            shows = engine == "duckdb"
            rows = ShownRows(sandbox, project.manifest, contracts) if shows else None
            stage = ProofProject(sandbox, project, rows)
            outcomes = _outcomes(stage, project, known, wanted, expected, shown)
    scope = rules if affected is None else set(affected.rules)
    return ProofScore(
        engine=engine,
        rules=len(rules),
        outcomes=tuple(outcomes),
        without_fault=tuple(sorted(scope - known.keys())),
        without_rule=tuple(sorted((known.keys() | expected.keys()) - rules)),
        untested=tuple(sorted(scope - tested)),
        complete=not chosen and (affected is None or affected.everything),
        seconds=time.perf_counter() - started,
        overridden=project.overridden,
        affected=affected,
        severities=severities,
    )


def _outcomes(
    stage: ProofProject,
    project: CompiledProject,
    known: Mapping[str, Any],
    wanted: Sequence[str],
    expected: Mapping[str, Sequence[ExpectedFinding]],
    shown: Progress,
) -> list[FaultOutcome]:
    """The clean control, then each fault."""
    clean = generate(Parameters())
    shown.say(
        f"building the clean sample: {len(project.models)} models, {len(project.tests)} tests"
    )
    begun = time.perf_counter()
    outcomes = [judge(CLEAN, [], stage.build(clean), time.perf_counter() - begun)]
    for place, fault_id in enumerate(wanted):
        shown.count("proving", place, len(wanted), "faults")
        begun = time.perf_counter()
        fault = known[fault_id]
        world = clean.copy()
        fault.apply(world)
        tables = {name: world[name] for name in world.changed_tables(clean)}
        if not tables and not fault.statements:
            raise MbpError(f"the fault {fault_id} changes nothing", fix="correct the fault")
        seen = stage.with_changes(tables, fault.statements)
        outcomes.append(judge(fault_id, expected[fault_id], seen, time.perf_counter() - begun))
    shown.count("proving", len(wanted), len(wanted), "faults")
    return outcomes


def _choose(chosen: Collection[str], known: Mapping[str, Any]) -> list[str]:
    wanted = sorted(set(chosen) or known.keys())
    if not wanted:
        raise MbpError("nothing to prove: there is no fault", fix="restore lab.simulate.faults")
    return wanted


@contextmanager
def _sandbox(
    root: Path, engine: str, say: Say
) -> Iterator[tuple[Sandbox, CompiledProject, dict[str, str]]]:
    """An empty database of `engine`, the project compiled for it, and dbt's environment to do so."""
    say(f"compiling the project once for {engine}")
    changes: dict[str, str] = {}
    with ExitStack() as stack:
        if engine == "duckdb":
            project = compile_project(root, engine)
            sandbox: Sandbox = DuckdbSandbox(project.database, _schemas(project))
        else:
            server = stack.enter_context(PostgresServer())
            server.create_database(SCRATCH_DATABASE)
            changes = dict(server.environment(SCRATCH_DATABASE))
            project = compile_project(root, engine, changes=changes)
            sandbox = PostgresSandbox(server.connect(SCRATCH_DATABASE), _schemas(project))
        stack.callback(sandbox.close)
        yield sandbox, project, changes


def _schemas(project: CompiledProject) -> list[str]:
    schemas = {raw.schema for raw in project.raw} | {model.schema for model in project.models}
    return sorted(schemas)
