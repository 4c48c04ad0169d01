"""The bad project: every fault once, and the clean sample beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp import yaml_io
from mbp.errors import MbpError
from mbp.paths import shown
from mbp.quality.compiled import CompiledProject, compile_project
from mbp.quality.sandbox import Sandbox
from mbp.quality.score import CLEAN, Expected, Outcome, Score, judge
from mbp.quality.stage import Stage

EXPECTED_FINDINGS = Path("tests") / "dbt" / "fixtures" / "expected_findings.yaml"
ENGINES = ("duckdb", "postgres")

Say = Callable[[str], None]


def read_expected(root: Path) -> dict[str, list[Expected]]:
    """What each fault must give, from the committed file: fault -> findings.

    Raises:
        MbpError: unreadable, empty, or of another shape; names the line.
    """
    path = root / EXPECTED_FINDINGS
    name = shown(path, root)
    document = yaml_io.load(path, shown_as=name)
    faults = document.get("faults") if isinstance(document, dict) else None
    if not isinstance(faults, dict) or not faults:
        raise MbpError(
            "expected a mapping `faults` of rule ids to their findings",
            path=name,
            line=yaml_io.line_of(document),
            cure="make it again as its header says",
        )
    return {str(fault): _findings(faults, fault, name) for fault in faults}


def _findings(faults: Any, fault: str, name: str) -> list[Expected]:
    entries = faults[fault]
    line = yaml_io.line_of(faults, fault)
    if not isinstance(entries, list) or not entries:
        raise MbpError(f"{fault}: expected a list of findings", path=name, line=line)
    found: list[Expected] = []
    for entry in entries:
        rule_id = entry.get("rule_id") if isinstance(entry, dict) else None
        rows = entry.get("rows") if isinstance(entry, dict) else None
        known = isinstance(entry, dict) and set(entry) <= {"rule_id", "rows"}
        if not known or not rule_id or not (rows is None or (isinstance(rows, int) and rows > 0)):
            raise MbpError(
                f"{fault}: expected `rule_id` and optionally `rows` (1 or more)",
                path=name,
                line=yaml_io.line_of(entry) or line,
            )
        found.append(Expected(str(rule_id), None if rows is None else int(rows)))
    return found


@dataclass(frozen=True)
class FaultToRun:
    """One fault as the proof runs it: the tables it changed, and statements for the built state."""

    fault_id: str
    tables: Mapping[str, Any]
    statements: Sequence[str]


def prove(
    root: Path,
    *,
    engine: str = "duckdb",
    chosen: Collection[str] = (),
    say: Say = lambda _: None,
) -> Score:
    """Runs the clean control and the chosen faults (all without a choice) and judges them.

    Raises:
        MbpError: unknown engine or fault, no fault at all, or the clean project cannot be built.
    """
    from mbp.contracts import load_contracts
    from mbp.contracts.rules import all_rules
    from mbp.simulate import Parameters, faults, generate

    if engine not in ENGINES:
        raise MbpError(f"unknown engine {engine!r}", cure=f"use one of {', '.join(ENGINES)}")
    started = time.perf_counter()
    rules = {rule.id for rule in all_rules(load_contracts(root))}
    known = faults.all_faults()
    expected = read_expected(root)
    wanted = _choose(chosen, known)
    unexpected = sorted(set(wanted) - expected.keys())
    if unexpected:
        raise MbpError(
            f"no expectation for {', '.join(unexpected)}",
            path=shown(root / EXPECTED_FINDINGS, root),
            cure="add what the fault must give",
        )
    clean = generate(Parameters())
    with _sandbox(root, engine, say) as (sandbox, project):
        stage = Stage(sandbox, project)
        say(f"building the clean sample: {len(project.models)} models, {len(project.tests)} tests")
        begun = time.perf_counter()
        seen = stage.build(clean)
        outcomes: list[Outcome] = [judge(CLEAN, [], seen, time.perf_counter() - begun)]
        say(f"running {len(wanted)} faults")
        for fault_id in wanted:
            begun = time.perf_counter()
            fault = known[fault_id]
            world = clean.copy()
            fault.apply(world)
            tables = {name: world[name] for name in world.changed_tables(clean)}
            if not tables and not fault.statements:
                raise MbpError(f"the fault {fault_id} changes nothing", cure="correct the fault")
            seen = stage.with_changes(tables, fault.statements)
            outcomes.append(
                judge(fault_id, expected[fault_id], seen, time.perf_counter() - begun)
            )
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
    unknown = sorted(set(chosen) - known.keys())
    if unknown:
        raise MbpError(
            f"unknown fault {', '.join(unknown)}", cure="`mbp simulate --list-faults` names them"
        )
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
            connection, changes = _addresses(server)
            project = compile_project(root, engine, changes=changes)
            sandbox = PostgresSandbox(connection, _schemas(project))
        stack.callback(sandbox.close)
        yield sandbox, project


def _schemas(project: CompiledProject) -> list[str]:
    return sorted({one.schema for one in (*project.raw, *project.models)})


def _addresses(server: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Arguments for psycopg2 and environment for dbt, both to the same scratch database."""
    raise NotImplementedError
