"""`mbp cdc drill`: the runbook of the change data capture, rehearsed."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from typing import Annotated

import typer

from lab.command_groups import group_named
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS

EXAMPLES = """
Examples:

  mbp cdc drill                          # every scenario on both engines

  mbp cdc drill reader_killed network_cut --target duckdb

  mbp cdc drill late --full              # the real ten minutes of lag: half an hour an engine
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the group `cdc`."""
    group_named(app, "cdc").command("drill", epilog=EXAMPLES)(drill)


class DrillTarget(StrEnum):
    """Which warehouses."""

    duckdb = "duckdb"
    postgres = "postgres"
    both = "both"


def drill(
    scenario: Annotated[list[str] | None, typer.Argument(help="Scenarios. [default: all]")] = None,
    target: Annotated[DrillTarget, typer.Option(help="Warehouses.")] = DrillTarget.both,
    rows: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Rows of the large transaction.")
    ] = 1_000_000,
    full: Annotated[
        bool, typer.Option("--full", help="Ten real minutes of lag, not a scaled-down run.")
    ] = False,
) -> None:
    """Cause the faults of the runbook on separate servers, and reconcile row by row.

    Scenarios: reader_killed, source_restarted, target_restarted, target_disk_full (as root), network_cut, late,
    schema_drift, large_transaction, slot_invalidated. Report: target/evidence/cdc_drill.json and .md.
    Exit code: 0 all passed, 1 findings, 2 could not run.
    """
    from lab.drill.drill_report import as_table
    from lab.drill.played import Options
    from lab.drill.scenario_runs import TARGETS
    from lab.drill.scenario_runs import drill as run
    from mbp.core.paths import project_root

    # Servers are stopped and file systems unmounted also when it is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_COULD_NOT_RUN))
    targets = TARGETS if target is DrillTarget.both else (target.value,)
    options = Options(rows=rows, scale=1.0) if full else Options(rows=rows)
    results = run(
        project_root(),
        scenario or [],
        targets,
        lambda message: typer.echo(message, err=True),
        options,
    )
    typer.echo(as_table(results), nl=False)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_FINDINGS)
