"""`mbp cdc drill`: the runbook of the change data capture, rehearsed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mbp.errors import EXIT_FINDINGS

EXAMPLES = """
Examples:

  mbp cdc drill                          # every scenario on both engines: about 25 minutes

  mbp cdc drill reader_killed network_cut --target duckdb

  mbp cdc drill late --hold-seconds 780  # ten minutes of changes, each at least 180 s late
"""


def register(app: typer.Typer) -> None:
    """Belongs to the group `cdc`, which registers it."""
    del app


def drill(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Scenarios. [default: all]")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="duckdb or postgres. [default: both]")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the large transaction.")] = 1_000_000,
    hold_seconds: Annotated[
        float, typer.Option(min=1, help="How long nothing is read in the scenario of the lag.")
    ] = 190.0,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Let go wrong what the runbook knows, on servers of its own, and compare row for row.

    Scenarios: reader_killed, source_restarted, target_restarted, target_disk_full (as root), network_cut, schema_drift,
    large_transaction, slot_invalidated, late. Exit code: 0 all passed, 1 findings, 2 could not run.
    """
    from dataclasses import asdict

    from mbp.cdc.drill import run
    from mbp.paths import project_root

    results = run.drill(
        project_root(),
        scenarios or [],
        target or run.TARGETS,
        lambda told: typer.echo(told, err=True),
        rows=rows,
        hold_seconds=hold_seconds,
    )
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in results], indent=2))
    else:
        typer.echo(run.as_table(results), nl=False)
    if not all(one.passed for one in results):
        raise typer.Exit(EXIT_FINDINGS)
