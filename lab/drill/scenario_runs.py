"""`mbp cdc drill`: every scenario on its own servers, reconciled row by row, and the watcher's decision."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.drill import market, outages, quota, states
from lab.drill.drill_report import ScenarioResult, write_report
from lab.drill.played import Options, Played, Scenario
from lab.drill.proxy import Proxy
from lab.drill.scenario_servers import ScenarioServers
from lab.drill.watching import HOOK, WatchedScenario, build_empty, stretched, watch
from lab.exercises.project_copy import copy_parts
from lab.market_server import create
from lab.postgres_server import PostgresServer, installed
from mbp.contracts.hook_policy import load_hooks, on_target
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean
from mbp.ingest.cdc import change_shape
from mbp.ingest.initialise import initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.runs.preflight import install_packages
from mbp.warehouse import connect

TARGETS = ("duckdb", "postgres")
SCENARIOS = {scenario.name: scenario for scenario in (*outages.SCENARIOS, *states.SCENARIOS)}
SEED = 20260105
# dbt writes the name of the database into its manifest: every copy has the same name.
WAREHOUSE, TEMPLATE = "warehouse", "empty"
FILE = f"{WAREHOUSE}.duckdb"
# What a crash must not lose: a commit that was acknowledged.
SAFE = {"synchronous_commit": "on"}
Say = Callable[[str], None]


def drill(
    root: Path,
    chosen: Sequence[str],
    targets: Sequence[str],
    say: Say,
    options: Options | None = None,
) -> list[ScenarioResult]:
    """Plays scenarios and writes the report.

    Args:
        chosen: names of scenarios; all without one. They are played in the order of the runbook.

    Raises:
        MbpError: an unknown scenario or target, or PostgreSQL's binaries are not installed.
    """
    for name in chosen:
        if name not in SCENARIOS:
            raise MbpError(f"no scenario {name!r}", fix=did_you_mean(name, SCENARIOS))
    for target in targets:
        if target not in TARGETS:
            raise MbpError(f"no target {target!r}", fix=did_you_mean(target, TARGETS))
    installed()
    wanted = [scenario for name, scenario in SCENARIOS.items() if not chosen or name in chosen]
    results = []
    with TemporaryDirectory(prefix="mbp-drill-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # the servers, which do not run as root, find what is in it
        with ExitStack() as servers:
            world = _world(root, folder, targets, servers, say, options or Options())
            for scenario in wanted:
                for target in targets:
                    begun = time.monotonic()
                    result = world.play(scenario, target)
                    results.append(result)
                    # Now, and not at the end: an interrupted run keeps its results.
                    write_report(root, list(SCENARIOS), [result], seed=SEED)
                    seconds = time.monotonic() - begun
                    verdict = "passed" if result.passed else "FAILED"
                    say(f"{scenario.name} on {target}: {verdict} in {seconds:.0f} s")
    return results


@dataclass(frozen=True)
class _World:
    """What scenarios share: the copy of the project, its manifests, an empty warehouse of each target."""

    folder: Path
    project: Path
    manifests: Mapping[str, Any]
    warehouse_server: PostgresServer | None
    settings: Mapping[str, str]
    options: Options

    def play(self, scenario: Scenario, target: str) -> ScenarioResult:
        """One scenario; what stops it is a problem of it and no error of the drill."""
        rows = ScenarioResult.of(scenario, target)
        try:
            with self._stage(scenario, target) as stage:
                played = scenario.play(stage, self.options)
                compared = stage.compared()
                lag = stage.worst_lag()
                watched, more, times = self._watched(stage, scenario, played)
        except MbpError as error:
            return rows.failed(str(error))
        problems = [*played.problems, *more]
        problems += [comparison.sentence for comparison in compared if not comparison.same]
        limit = load_hooks(self.project).limits["cdc_recovery_seconds"]
        if played.recovered_seconds > limit:
            problems.append(f"back after {played.recovered_seconds:.0f} s, limit {limit} s")
        return rows.ended(played, compared, lag, watched, times, stage.peak_memory_mib, problems)

    def _watched(
        self, stage: ScenarioServers, scenario: Scenario, played: Played
    ) -> tuple[WatchedScenario, list[str], tuple[float | None, float | None]]:
        """(what the watcher said, what is wrong with it, seconds to (decide, close) in the data's time)."""
        late = played.lateness
        if late is None:
            first = datetime.fromtimestamp(stage.begun_at, UTC)
            watched = watch(stage, self.manifests[stage.target], first, datetime.now(UTC))
            return watched, watcher_problems(watched, scenario.expected), (None, None)
        clock = stretched(late.scale, late.begun)
        clock.stretch(stage)
        watched = watch(
            stage, self.manifests[stage.target], clock.at(late.begun), clock.at(late.ended)
        )
        problems = watcher_problems(watched, scenario.expected)
        policy = load_hooks(self.project)
        decided, closed = (
            watched.decided,
            next((look for look in watched.looks if look.closed), None),
        )
        if watched.looks[0].state.colour != "green":
            problems.append(
                f"before the fault the watcher was not green: {watched.looks[0].sentence}"
            )
        detect = recover = None
        if decided is not None:
            detect = (decided.opened_at - clock.at(late.fault)).total_seconds()
            start = (decided.opened_at - decided.breached_at).total_seconds()
            limit = policy.limits["rollback_start_seconds"]
            if start > limit:
                problems.append(f"decided {start:.0f} s after the breach, limit {limit} s")
        if closed is None:
            problems.append("the decision never closed")
        else:
            recover = (closed.now - clock.at(late.fix)).total_seconds()
            limit = policy.limits["cdc_recovery_seconds"]
            value = closed.state.value
            if recover > limit:
                problems.append(f"the lag was back after {recover:.0f} s, limit {limit} s")
            if value is None or not on_target(policy.hooks[HOOK].kpi, float(value)):
                problems.append(f"the decision closed at {value}, off its target")
        return watched, problems, (detect, recover)

    @contextmanager
    def _stage(self, scenario: Scenario, target: str) -> Iterator[ScenarioServers]:
        """A separate source, a copy of the empty warehouse, a network, and a copy of the project."""
        place = self.folder / f"{scenario.name}-{target}"
        place.mkdir()
        project = place / "project"
        shutil.copytree(self.project, project, symlinks=True)
        with ExitStack() as stack:
            small = None
            if scenario.needs_quota:
                small = stack.enter_context(quota.mounted(place / "quota"))
            server = stack.enter_context(PostgresServer({**market.SETTINGS, **SAFE}))
            proxy = stack.enter_context(Proxy(server.host, server.port))
            settings = {
                **self.settings,
                "MBP_PROJECT_DIR": str(project),
                "MBP_DUCKDB_PATH": str((small or place) / FILE),
            }
            if target == "duckdb":
                shutil.copy2(self.folder / FILE, settings["MBP_DUCKDB_PATH"])
            else:
                settings["DBT_TARGET"] = target
                settings |= stack.enter_context(self._database(small))
            source = create(server, "market", change_shape.by_name(raw_tables(project)))
            warehouse = self.warehouse_server if target == "postgres" else None
            yield ScenarioServers(
                project, target, server, warehouse, source, proxy, settings, SEED, small
            )
        shutil.rmtree(place)

    @contextmanager
    def _database(self, small: Path | None) -> Iterator[dict[str, str]]:
        """A copy of the empty database; with a small file system its largest log is there."""
        server = self.warehouse_server
        assert server is not None  # noqa: S101 - the target demands it
        server.create_database(WAREHOUSE, TEMPLATE)
        if small is not None:
            space = small / "tablespace"
            space.mkdir(mode=0o700)
            server.own(space)
            market.execute(
                server,
                WAREHOUSE,
                f"create tablespace small location '{space}'",
                "alter table raw_mbp.quotes set tablespace small",
            )
        try:
            yield server.environment(WAREHOUSE)
        finally:
            if not server.running:
                server.serve()
            server.drop_database(WAREHOUSE)
            if small is not None:
                market.execute(server, server.database, "drop tablespace small")


def watcher_problems(watched: WatchedScenario, expected: str) -> list[str]:
    """What is wrong with what the watcher said.

    Args:
        expected: the actions that it has to decide, joined by '+', or 'none'.
    """
    decided = watched.decided
    made = "none" if decided is None else "+".join(decided.actions)
    message = ", ".join(look.sentence for look in watched.looks)
    problems = []
    if made != expected:
        problems.append(f"the watcher decided {made}, not {expected} ({message})")
    if not any(look.state.value is not None for look in watched.looks):
        problems.append(f"the watcher measured nothing ({message})")
    return problems


def _world(
    root: Path,
    folder: Path,
    targets: Sequence[str],
    servers: ExitStack,
    say: Say,
    options: Options,
) -> _World:
    project = folder / "project"
    copy_parts(root, project)
    settings = {
        "MBP_PROJECT_DIR": str(project),
        "MBP_RAW": "loaded",
        "MBP_NOW": "wall_clock",
        "MBP_STATE_DIR": ".mbp",
        "MBP_HOOK_URL": "",
        "MBP_HOOK_SECRET": "",
        "MBP_ALERTMANAGER_URL": "",
        "MBP_PG_ROLE": "",
        "DBT_TARGET_PATH": "target",
        "DBT_TARGET": "duckdb",
        "MBP_DUCKDB_PATH": str(folder / FILE),
    }
    say("building the empty warehouses")
    with environment(settings):
        install_packages(project)
    server, manifests = None, {}
    for target in targets:
        own = settings | {"DBT_TARGET": target}
        if target == "postgres":
            server = servers.enter_context(PostgresServer(SAFE))
            server.create_database(WAREHOUSE)
            own |= server.environment(WAREHOUSE)
        with environment(own), connect(project, target) as warehouse:
            initialise(project, warehouse)
        manifests[target] = build_empty(project, target, own)
        if server is not None and target == "postgres":
            server.create_database(TEMPLATE, WAREHOUSE)
            server.drop_database(WAREHOUSE)
    return _World(folder, project, manifests, server, settings, options)
