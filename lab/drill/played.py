"""What a scenario is, and what it reports."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from lab.drill.scenario_servers import ScenarioServers


@dataclass(frozen=True)
class Options:
    """Sizes of the drill.

    Attributes:
        rows: of the large transaction.
        kills: of the reader.
        dark_seconds: for how long a network is cut, a file held, a server away.
        scale: seconds of the world that pass in one second of the scenario `late`; 1: the real ten minutes.
    """

    rows: int = 1_000_000
    kills: int = 12
    dark_seconds: float = 8.0
    scale: float = 20.0


@dataclass(frozen=True)
class Lateness:
    """For the scenario of the lag: Unix seconds of the wall clock when it began, was fixed, and ended."""

    begun: float
    fault: float
    fix: float
    ended: float
    scale: float


@dataclass(frozen=True)
class Played:
    """What happened.

    Attributes:
        noticed_seconds, noticed_by: from the fault to the first visible sign, and the sign;
            None: no immediate notice is needed, or the watcher gives it.
        recovered_seconds: from the fix until a change that was made then was in the warehouse.
        note: what was done, with its numbers.
        problems: what was not as it has to be.
    """

    noticed_seconds: float | None
    noticed_by: str
    recovered_seconds: float
    note: str
    problems: tuple[str, ...] = ()
    lateness: Lateness | None = None


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        what: a sentence.
        expected: what the watcher has to decide about the lag.
        needs_quota: the reader writes to a small file system.
    """

    name: str
    what: str
    play: Callable[[ScenarioServers, Options], Played]
    expected: str = "none"
    needs_quota: bool = False


def alive(process: subprocess.Popen[str]) -> tuple[str, ...]:
    """A reader has to live through what passes; the problem when it did not."""
    code = process.poll()
    return () if code is None else (f"the reader ended by itself with exit code {code}",)
