"""The bad project: every fault once, and the clean sample beside them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mbp.errors import MbpError
from mbp.quality.compiled import CompiledProject, compile_project
from mbp.quality.sandbox import Sandbox
from mbp.quality.score import CLEAN, Expected, Outcome, Score, judge
from mbp.quality.stage import Stage
from mbp.reporting.progress import SILENT, Progress, Say

ENGINES = ("duckdb", "postgres")
SCRATCH_DATABASE = "mbp_proof"


def prove(
    root: Path,
    *,
    engine: str = "duckdb",
    chosen: Collection[str] = (),
    shown: Progress = SILENT,
) -> Score:
    """Runs the clean control and the chosen faults (all without a choice) and judges them.

    Raises:
        MbpError: unknown engine or fault, no fault at all, or the clean project cannot be built.
    """
    from mbp.contracts import load_contracts
    from mbp.contracts.rules import all_rules
    from mbp.simulate import Parameters, faults, generate
    from mbp.simulate.faults.expected import PATH as EXPECTATIONS

    if engine not in ENGINES:
        raise MbpError(f"unknown engine {engine!r}", cure=f"use one of {', '.join(ENGINES)}")
    started = time.perf_counter()
    rules = {rule.id for rule in all_rules(load_contracts(root))}
    known = faults.all_faults(root)
    wanted = _choose([faults.find(one, root).rule_id for one in chosen], known)
    expected = {
        fault: [Expected(one.rule, one.rows) for one in findings]
        for fault, findings in faults.expected_findings(root).items()
    }
    unexpected = sorted(set(wanted) - expected.keys())
    if unexpected:
        raise MbpError(
            f"no expectation for {', '.join(unexpected)}",
            path=EXPECTATIONS.as_posix(),
            cure="add what the fault must give",
        )
    clean = generate(Parameters())
    with _sandbox(root, engine, shown.say) as (sandbox, project):
        stage = Stage(sandbox, project)
        shown.say(
            f"building the clean sample: {len(project.models)} models, {len(project.tests)} tests"
        )
        begun = time.perf_counter()
        seen = stage.build(clean)
        outcomes: list[Outcome] = [judge(CLEAN, [], seen, time.perf_counter() - begun)]
        for place, fault_id in enumerate(wanted):
            shown.count("proving", place, len(wanted), "faults")
            begun = time.perf_counter()
            fault = known[fault_id]
            world = clean.copy()
            fault.apply(world)
            tables = {name: world[name] for name in world.changed_tables(clean)}
            if not tables and not fault.statements:
                raise MbpError(f"the fault {fault_id} changes nothing", cure="correct the fault")
            seen = stage.with_changes(tables, fault.statements)
            outcomes.append(judge(fault_id, expected[fault_id], seen, time.perf_counter() - begun))
        shown.count("proving", len(wanted), len(wanted), "faults")
    tested = {test.rule_id for test in project.tests}
    return Score(
        engine=engine,
        rules=len(rules),
        outcomes=tuple(outcomes),
        without_fault=tuple(sorted(rules - known.keys())),
        without_rule=tuple(sorted((known.keys() | expected.keys()) - rules)),
        untested=tuple(sorted(rules - tested)),
        complete=not chosen,
        seconds=time.perf_counter() - started,
    )


def _choose(chosen: Collection[str], known: Mapping[str, Any]) -> list[str]:
    wanted = sorted(set(chosen) or known.keys())
    if not wanted:
        raise MbpError("nothing to prove: there is no fault", cure="restore mbp.simulate.faults")
    return wanted


@contextmanager
def _sandbox(root: Path, engine: str, say: Say) -> Iterator[tuple[Sandbox, CompiledProject]]:
    """An empty database of `engine`, and the project compiled for it."""
    say(f"compiling the project once for {engine}")
    with ExitStack() as stack:
        if engine == "duckdb":
            from mbp.quality.sandbox_duckdb import DuckdbSandbox

            project = compile_project(root, engine)
            sandbox: Sandbox = DuckdbSandbox(project.database, _schemas(project))
        else:
            from mbp.quality.sandbox_postgres import PostgresSandbox
            from mbp.warehouse.server import PostgresServer

            server = stack.enter_context(PostgresServer())
            server.create_database(SCRATCH_DATABASE)
            changes = server.environment(SCRATCH_DATABASE)
            project = compile_project(root, engine, changes=changes)
            sandbox = PostgresSandbox(server.connect(SCRATCH_DATABASE), _schemas(project))
        stack.callback(sandbox.close)
        yield sandbox, project


def _schemas(project: CompiledProject) -> list[str]:
    schemas = {raw.schema for raw in project.raw} | {model.schema for model in project.models}
    return sorted(schemas)
