"""What the real watcher says of a stage: the KPI is measured by dbt, the hook decides, the ledger remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.drill import market
from lab.drill.scenario_servers import ScenarioServers
from mbp.core.errors import MbpError
from mbp.ingest.cdc.watch_source import HEARTBEAT_SECONDS
from mbp.operate.hooks.decide import State
from mbp.operate.hooks.measurements import Decision
from mbp.operate.hooks.watch import watch_once
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.warehouse import connect

HOOK = "cdc_delay"
WINDOW = timedelta(minutes=5)
# Everything that a watcher reads is built once, empty; what a scenario moves is measured again.
BUILT = ("run", "--full-refresh", "--select", "+models/marts/reliability")
MEASURED = ("run", "--full-refresh", "--select", "kpi_clock+", "kpi_cdc_lag+")
# A watcher evaluates when its window is complete.
# Two of them: the one that was on its way when the window began, and the next.
HEARTBEATS = timedelta(seconds=2 * HEARTBEAT_SECONDS)
AFTER_WINDOW = timedelta(seconds=1)


@dataclass(frozen=True)
class HookEvaluation:
    """One evaluation of the hook.

    Attributes:
        now: the moment that it was made for.
        opened, closed: decisions of this evaluation.
        done: what the executors did.
    """

    now: datetime
    state: State
    opened: Decision | None
    closed: Decision | None
    done: str

    @property
    def sentence(self) -> str:
        """In a line."""
        value = "-" if self.state.value is None else f"{float(self.state.value):.1f} s"
        done = f" ({self.done})" if self.done else ""
        return f"{self.now:%H:%M:%S} {self.state.colour} at {value}{done}"


@dataclass(frozen=True)
class WatchedScenario:
    """Every evaluation of a scenario, in order."""

    looks: Sequence[HookEvaluation]

    @property
    def decided(self) -> Decision | None:
        """The first decision."""
        return next((look.opened for look in self.looks if look.opened), None)

    @property
    def sentence(self) -> str:
        """The decision in a few words: actions, owner, reason; 'none' where there was nothing to decide."""
        decision = self.decided
        if decision is None:
            return "none"
        return f"{'+'.join(decision.actions)} ({decision.owner}, {decision.reason})"

    @property
    def value(self) -> float | None:
        """The worst p95 that was measured, in seconds."""
        values = [float(look.state.value) for look in self.looks if look.state.value is not None]
        return max(values, default=None)


def build_empty(root: Path, target: str, settings: dict[str, str]) -> Any:
    """Everything a watcher reads, in a warehouse that holds no data yet; dbt's manifest, for every measurement.

    Raises:
        MbpError: it cannot be built.
    """
    seeds = ["seed", "--full-refresh", "--select", "path:seeds/reference"]
    with environment(settings):
        manifest = demand(run_dbt(root, ["parse"], target=target, quiet=True)).result
        for arguments in (seeds, BUILT):
            demand(run_dbt(root, arguments, target=target, manifest=manifest, quiet=True))
    return manifest


def watch(
    stage: ScenarioServers, manifest: Any, first: datetime, last: datetime
) -> WatchedScenario:
    """Evaluates at the end of every window from the one that holds `first` to the one that holds `last`.

    The last window is evaluated as of its end although it may not be over yet: nothing arrives any more. One that has
    only just begun is not: in its first seconds not every table has had its heartbeat. Nor is one that was nearly over
    when the scenario began, for the same reason.
    """
    end, looks = window_end(first + HEARTBEATS), list[HookEvaluation]()
    while end - WINDOW <= last - HEARTBEATS or not looks:
        looks.append(_look(stage, manifest, end + AFTER_WINDOW))
        end += WINDOW
    return WatchedScenario(looks)


def _look(stage: ScenarioServers, manifest: Any, now: datetime) -> HookEvaluation:
    own = {**stage.settings, "MBP_NOW": now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")}
    with environment(own):
        demand(run_dbt(stage.root, MEASURED, target=stage.target, manifest=manifest, quiet=True))
        watched = watch_once(stage.root, stage.target)
    outcome = watched.outcome
    states = [state for state in outcome.states if state.hook_id == HOOK]
    if len(states) != 1:
        raise MbpError(f"the hook {HOOK} was not evaluated", fix="see `mbp hooks check`")
    opened = [decision for decision in outcome.opened if decision.hook_id == HOOK]
    closed = [open_decision for open_decision in outcome.recovered if open_decision.hook_id == HOOK]
    made = [decision.decision_id for decision in opened] + [
        open_decision.decision_id for open_decision in closed
    ]
    done = "; ".join(watched.done[action] for action in made)
    return HookEvaluation(
        now, states[0], opened[0] if opened else None, closed[0] if closed else None, done
    )


def window_end(at: datetime) -> datetime:
    """End of the window that holds an instant."""
    seconds = int(WINDOW.total_seconds())
    return datetime.fromtimestamp((int(at.timestamp()) // seconds + 1) * seconds, UTC)


@dataclass(frozen=True)
class WorldClock:
    """Wall clock, stretched: `scale` seconds of the world pass in one second here.

    Attributes:
        wall, world: one instant by both clocks.
    """

    scale: float
    wall: datetime
    world: datetime

    def at(self, wall_seconds: float) -> datetime:
        """The instant in the world for Unix seconds here."""
        return self.world + (datetime.fromtimestamp(wall_seconds, UTC) - self.wall) * self.scale

    def stretch(self, stage: ScenarioServers) -> None:
        """Rewrites commits and arrivals of a warehouse from this clock to the world's. Both by the same line:
        the time between them is as many times longer, and nothing else changes.
        """
        wall_ms, world_ms = (int(moment.timestamp() * 1000) for moment in (self.wall, self.world))
        wall, world = self.wall.isoformat(), self.world.isoformat()
        arrived = f"timestamptz '{world}' + (_loaded_at - timestamptz '{wall}') * {self.scale:g}"
        emitted = arrived.replace("_loaded_at", "emitted_at")
        with environment(stage.settings), connect(stage.root, stage.target) as warehouse:
            for table in market.KEY_COLUMNS:
                warehouse.execute(
                    f"update raw_mbp.{table} set _loaded_at = {arrived}, __source_ts_ms ="
                    f" {world_ms} + cast((__source_ts_ms - {wall_ms}) * {self.scale:g} as bigint)"
                )
            warehouse.execute(
                f"update raw_ops.cdc_heartbeats set _loaded_at = {arrived}, emitted_at = {emitted}"
            )


def stretched(scale: float, wall_seconds: float) -> WorldClock:
    """A clock whose world begins with a window, hours ago: nothing in it is in the future."""
    wall = datetime.fromtimestamp(wall_seconds, UTC)
    return WorldClock(scale, wall, window_end(wall - timedelta(hours=3)))
