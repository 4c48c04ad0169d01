"""The ratios that tell in three minutes whether something became slower: `make bench-quick`.

Every ratio is processor time of ours divided by that of a peer in the same run, so that neither the machine nor other
work on it decides. Exit codes: 0 no loss, 1 a ratio is more than 20 % above the recorded one, 2 could not compare.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab.bench import contracts
from lab.bench.bench_warehouse import BIN, DBT, BenchWarehouse, arrive, built, compiled, count
from lab.bench.figures import Comparison, Figure, compare, recorded
from lab.bench.other_tools import by_dbt, look, look_daily, target_of
from lab.bench.peers import DATACONTRACT, OURS, PLAIN_DBT
from lab.bench.process import run_measured
from mbp.contracts.compatibility.diff import diff
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS, EXIT_PASS, MbpError
from mbp.core.paths import project_root

QUOTES = 300_000
PAIRS = 60
# The least of so many is the time without what disturbed it.
REPEATS = 2
STARTS = 5
# What the command line is made of and nothing of ours.
EMPTY_START = "import typer, rich.console, ruamel.yaml"


def measure(root: Path) -> list[Figure]:
    """All ratios, in processor seconds."""
    figures = [start(root), contract_changes()]
    with (
        tempfile.TemporaryDirectory(prefix="mbp-bench-") as folder,
        built(root, Path(folder), "duckdb", QUOTES) as world,
    ):
        return figures + of_quotes(world)


def of_quotes(world: BenchWarehouse) -> list[Figure]:
    """The checks of the warehouse that was built; two daily runs and then all of it, beside the other tools."""
    daily = []
    for number in range(len(world.later)):
        arrive(world, number)
        daily.append(look_daily(world, "daily_incremental")[0].processor_seconds)
    world = replace(world, rows=count(world), queries=compiled(world))
    folder = world.scratch / "looks"
    folder.mkdir()
    plain, other, ours = best(
        REPEATS,
        lambda: by_dbt(world, PLAIN_DBT, folder).processor_seconds,
        lambda: look(world, DATACONTRACT).processor_seconds,
        lambda: by_dbt(world, OURS, folder).processor_seconds,
    )
    places = (world.root, folder / "plain")
    listing, plain_listing = best(REPEATS, *(lister(world, place) for place in places))
    size = f"duckdb, {QUOTES:,} quotes"
    return [
        quick("all rules of quotes", size, ours, PLAIN_DBT, plain),
        quick("all rules of quotes", size, ours, DATACONTRACT, other),
        quick("daily run of quotes, + 1 %", size, min(daily), PLAIN_DBT, plain),
        quick(
            "dbt ls, nothing changed",
            "the project",
            listing,
            "the project with a test per rule",
            plain_listing,
        ),
    ]


def lister(world: BenchWarehouse, project: Path) -> Callable[[], float]:
    """`dbt ls` of a project in which nothing changed."""
    target = {"DBT_TARGET_PATH": str(target_of(world, project))}
    settings = {**os.environ, **world.changes, **target}
    return lambda: spent([DBT, "ls", "--quiet"], project, settings)


def start(root: Path) -> Figure:
    """The start of a command, beside that of the libraries that it is made of."""
    ours, empty = best(
        STARTS,
        lambda: spent([str(BIN / "mbp"), "--help"], root, os.environ),
        lambda: spent([sys.executable, "-c", EMPTY_START], root, os.environ),
    )
    return quick("mbp --help", "a process", ours, "imports of its libraries", empty)


def contract_changes() -> Figure:
    """Judging changes of contracts, beside copying the same contracts."""
    pairs = [(old := contracts.contract(n), contracts.changed(old, n)) for n in range(PAIRS)]
    ours, copied = best(
        REPEATS,
        lambda: processor(lambda: [diff(old, new) for old, new in pairs]),
        lambda: processor(lambda: [copy.deepcopy(pairs) for _ in range(10)]),
    )
    return quick("contract changes", f"{PAIRS} pairs", ours, "copying them ten times", copied)


def quick(name: str, size: str, value: float, peer: str, peer_value: float) -> Figure:
    return Figure(name, size, value, "s of processor", peer, peer_value, quick=True)


def best(times: int, *measures: Callable[[], float]) -> list[float]:
    """The least of several values of each; they take turns, so that what disturbs one disturbs the other."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [min(values) for values in zip(*rounds, strict=True)]


def processor(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def spent(
    command: Sequence[str], folder: Path, environment: dict[str, str] | os._Environ[str]
) -> float:
    """Processor seconds of a command.

    Raises:
        MbpError: it failed.
    """
    done = run_measured(command, folder, environment)
    if done.code != 0:
        raise MbpError(
            f"{' '.join(command[:3])} failed with {done.code}: {' '.join(done.talk.split())[-600:]}",
            fix="fix what it says, then measure again",
        )
    return done.processor_seconds


def main() -> int:
    root = project_root(Path(__file__).parent)
    head, before = recorded(root)
    print(f"compared with {head['date']}, commit {head['commit']}, {head['machine']}")
    return verdict(compare(measure(root), before))


def verdict(compared: Sequence[Comparison]) -> int:
    """Prints each ratio; the exit code."""
    for one in compared:
        print(one.words())
    return EXIT_FINDINGS if any(one.lost for one in compared) else EXIT_PASS


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MbpError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(EXIT_COULD_NOT_RUN)
