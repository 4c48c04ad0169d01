"""Do the three engines agree, on clean data and on every fault of the bad project?

The faults are planted together in as few worlds as they leave each other visible in; every world is
built on PostgreSQL, and each engine judges all rules in it. A rule is caught when it fails in the
world of its fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.postgres_server import PostgresServer
from lab.proof.compiled_project import CompiledProject, compile_project
from lab.proof.proof_project import ProofProject, Seen
from lab.proof.sandbox import SandboxError
from lab.proof.sandbox_postgres import PostgresSandbox
from lab.simulate import Parameters, faults, generate
from mbp.contracts import Contract, load_contracts
from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.quality.compiled_tests import compiled_manifest, queries_of
from mbp.quality.enforcement import datacontract_engine, dbt_engine, gx_engine
from mbp.quality.enforcement.engine_runs import place_of, with_samples
from mbp.quality.enforcement.results import ENGINES, SPELLED, RuleResult
from mbp.runs.dbt_process import environment

DATABASE = "mbp_parity"
CLEAN = "clean"
REPLAY = {"MBP_RAW": "sample", "MBP_NOW": "end_of_data"}
# These take so many rows away that other faults go with them: a separate world, at the end.
SWEEPING = ("volume",)
Say = Callable[[str], None]


@dataclass(frozen=True)
class PlantedFaults:
    """What was planted together, and what each engine said of each rule in it."""

    name: str
    faults: tuple[str, ...]
    results: Mapping[str, Mapping[str, RuleResult]]


@dataclass(frozen=True)
class Parity:
    """All worlds, the clean one first."""

    rules: tuple[str, ...]
    worlds: tuple[PlantedFaults, ...]
    seconds: float

    def cell(self, rule: str, engine: str) -> str:
        """'caught', 'missed', 'no rows' (none can be shown), 'false alarm', 'error' or not_applicable."""
        clean = self.worlds[0].results[engine][rule]
        if clean.verdict == Verdict.NOT_APPLICABLE:
            return Verdict.NOT_APPLICABLE
        rule_results = [world.results[engine][rule] for world in self.worlds]
        if any(rule_result.verdict == "error" for rule_result in rule_results):
            return "error"
        if clean.caught:
            return "false alarm"
        own = next(world for world in self.worlds if rule in world.faults)
        result = own.results[engine][rule]
        if result.caught and not result.sample:
            return "no rows"
        return "caught" if result.caught else "missed"

    def disagreements(self) -> list[str]:
        """Rules of which two engines that express them say different things in one world."""
        results: list[str] = []
        for world in self.worlds:
            for rule in world.results[ENGINES[0]]:
                verdicts = {
                    engine: world.results[engine][rule].verdict
                    for engine in ENGINES
                    if world.results[engine][rule].verdict != Verdict.NOT_APPLICABLE
                }
                if len(set(verdicts.values())) > 1:
                    message = ", ".join(
                        f"{engine} {verdict}" for engine, verdict in verdicts.items()
                    )
                    results.append(f"{rule} in {world.name}: {message}")
        return results

    @property
    def passed(self) -> bool:
        """Every rule is caught by every engine that expresses it, and they agree everywhere."""
        cells = {self.cell(rule, engine) for rule in self.rules for engine in ENGINES}
        return cells <= {"caught", Verdict.NOT_APPLICABLE} and not self.disagreements()


def measure(root: Path, say: Say = lambda _: None, chosen: Sequence[str] = ()) -> Parity:
    """Plants the faults and asks every engine about all rules.

    Args:
        chosen: rule ids whose faults are planted; all without one.

    Raises:
        MbpError: a rule without a fault, a fault that shows in no world, or an engine that cannot run.
    """
    started = time.perf_counter()
    contracts = load_contracts(root)
    rules = [rule for contract in contracts for rule in contract.rules]
    known = faults.all_faults(root)
    unknown = sorted(set(chosen) - {rule.id for rule in rules})
    if unknown:
        raise MbpError(f"no rule {', '.join(unknown)}", fix="see `mbp contracts rules`")
    lacking = sorted({rule.id for rule in rules} - known.keys())
    if lacking:
        raise MbpError(f"no fault for {', '.join(lacking)}", fix="write one: see CONTRIBUTING")
    families = {rule.id: rule.family for rule in rules}
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer())
        server.create_database(DATABASE)
        changes = {**REPLAY, **server.environment(DATABASE)}
        stack.enter_context(environment(changes))
        project = compile_project(root, "postgres", changes=changes)
        sandbox = PostgresSandbox(server.connect(DATABASE), _schemas(project))
        stack.callback(sandbox.close)
        stage = ProofProject(sandbox, project)
        ask = _Asker(root, contracts, compiled_manifest(root, "postgres", changes))
        clean = generate(Parameters())
        say("the clean sample, judged by three engines")
        stage.build(clean)
        worlds = [PlantedFaults(CLEAN, (), ask.all())]
        # A missing key hides a row from the faults after it.
        late = {family: rank for rank, family in enumerate(("not_null", *SWEEPING), start=1)}
        waiting = sorted(
            chosen or known, key=lambda fault: (late.get(families.get(fault, ""), 0), fault)
        )
        while waiting:
            world = _plant(stage, clean, known, waiting, families)
            waiting = [rule_id for rule_id in waiting if rule_id not in world]
            say(f"{len(world)} faults together, judged by three engines; {len(waiting)} wait")
            worlds.append(PlantedFaults(f"world {len(worlds)}", tuple(world), ask.all()))
    return Parity(tuple(sorted(chosen or families)), tuple(worlds), time.perf_counter() - started)


def _schemas(project: CompiledProject) -> list[str]:
    return sorted({raw.schema for raw in project.raw} | {model.schema for model in project.models})


def _plant(
    stage: ProofProject,
    clean: Any,
    known: Mapping[str, Any],
    waiting: Sequence[str],
    families: Mapping[str, str],
) -> list[str]:
    """Plants as many of the waiting faults as show together; the ones that show.

    Raises:
        MbpError: a fault that does not show even alone.
    """
    first = [rule_id for rule_id in waiting if families.get(rule_id) not in SWEEPING] or list(
        waiting
    )
    tried = first
    while True:
        shown = [fault for fault in tried if fault in _shown(stage, clean, known, tried)]
        if shown:
            # Without those that were hidden, so that what is judged is what was planted.
            again = _shown(stage, clean, known, shown)
            return [fault for fault in shown if fault in again]
        if len(tried) == 1:
            raise MbpError(f"the fault {tried[0]} does not show", fix="mbp quality prove says why")
        tried = tried[: max(1, len(tried) // 2)]


def _shown(
    stage: ProofProject, clean: Any, known: Mapping[str, Any], chosen: Sequence[str]
) -> set[str]:
    """Rules that fail when the chosen faults are planted together; none when that cannot be built."""
    world = clean.copy()
    statements: list[str] = []
    for name in chosen:
        try:
            known[name].apply(world)
        except Exception:  # noqa: S112 (reported by the next world, where it is planted first)
            # Written for the clean sample: an earlier fault took the rows that this one needs. It is
            # not planted, so it does not show and waits for the next world.
            continue
        statements += known[name].statements
    try:
        seen: list[Seen] = stage.replace({name: world[name] for name in clean}, statements)
    except SandboxError:
        return set()
    return {result.rule_id for result in seen if result.outcome in ("warn", "fail")}


class _Asker:
    """Asks the three engines about the database as it is now."""

    def __init__(
        self,
        root: Path,
        contracts: Sequence[Contract],
        manifest: Mapping[str, Any],
    ) -> None:
        self.root, self.contracts, self.manifest = root, contracts, manifest
        self.queries = queries_of(manifest)
        self.rules = [rule for contract in contracts for rule in contract.rules]
        self.place = place_of(root, "postgres")

    def all(self) -> dict[str, dict[str, RuleResult]]:
        """Engine -> rule id -> result."""
        document = {
            "dbt": dbt_engine.run(self.root, self.rules, "postgres"),
            "gx": gx_engine.run(self.contracts, self.queries, self.place.address),
            "datacontract": datacontract_engine.run(
                self.contracts, self.queries, self.place.server, self.place.credentials
            ),
        }
        return {
            engine: {
                result.rule_id: result
                for result in with_samples(
                    self.root, "postgres", self.contracts, self.queries, self.manifest, results
                )
            }
            for engine, results in document.items()
        }


def render(parity: Parity) -> str:
    """The matrix rule x engine, differences first, the line to remember last."""
    lines = [f"disagree: {disagreement}" for disagreement in parity.disagreements()]
    lines += [f"{'rule':48}" + "".join(f"{SPELLED[engine]:>24}" for engine in ENGINES)]
    for rule in parity.rules:
        cells = []
        for engine in ENGINES:
            how = "" if parity.worlds[0].results[engine][rule].native else " (sql)"
            cells.append(f"{parity.cell(rule, engine) + how:>24}")
        lines.append(f"{rule:48}" + "".join(cells))
    native = {
        engine: sum(rule_result.native for rule_result in parity.worlds[0].results[engine].values())
        for engine in ENGINES
    }
    only = [
        rule
        for rule in parity.rules
        if [parity.cell(rule, engine) for engine in ENGINES].count(Verdict.NOT_APPLICABLE)
        == len(ENGINES) - 1
    ]
    lines.append("")
    lines.append(
        "in its own words: "
        + ", ".join(
            f"{SPELLED[engine]} {native[engine]} of {len(parity.rules)}" for engine in ENGINES
        )
    )
    lines.append(f"only one engine can express: {', '.join(only) or 'none'}")
    lines.append(
        f"{'agree' if parity.passed else 'DO NOT AGREE'}: {len(parity.rules)} rules in"
        f" {len(parity.worlds)} worlds, {len(parity.disagreements())} disagreements,"
        f" {parity.seconds:.0f} s"
    )
    return "\n".join(lines) + "\n"


def as_json(parity: Parity) -> dict[str, Any]:
    """The matrix: rule -> engine -> cell, how the engine says it, and why not in its own words."""
    clean = parity.worlds[0].results
    return {
        "passed": parity.passed,
        "worlds": len(parity.worlds),
        "disagreements": parity.disagreements(),
        "rules": {
            rule: {
                engine: {
                    "verdict": parity.cell(rule, engine),
                    "native": clean[engine][rule].native,
                    "reason": clean[engine][rule].reason,
                }
                for engine in ENGINES
            }
            for rule in parity.rules
        },
    }
