"""`mbp simulate`: a deterministic event history, for the sample and at scale."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mbp.cli.commands import DATA
from mbp.core.errors import MbpError

EXAMPLES = """
Examples:

  mbp simulate

  mbp simulate --quotes 10000000 --format parquet --output /tmp/big

  mbp simulate --fault twap_reconciles --output /tmp/bad

Without options the committed sample is made again, byte for byte.
"""


def register(app: typer.Typer) -> None:
    """Adds `mbp simulate`."""
    app.command("simulate", rich_help_panel=DATA, epilog=EXAMPLES)(simulate)


def simulate(
    *,
    markets: Annotated[
        int | None,
        typer.Option(help="Markets that are quoted (default: one per 250 quotes)."),
    ] = None,
    days: Annotated[int, typer.Option(help="Length of the history.")] = 2,
    quotes: Annotated[
        int | None, typer.Option(help="Quotes in all, hit within 5 % (default: 4000).")
    ] = None,
    rps: Annotated[float, typer.Option(help="Decisions per second, one span each.")] = 0.0125,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 20260105,
    start: Annotated[str, typer.Option(help="First instant, ISO 8601, UTC.")] = "2026-01-05",
    fault: Annotated[
        str | None, typer.Option(help="Rule id: write the history with one fault of that rule.")
    ] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print all faults.")] = False,
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    output: Annotated[
        Path | None, typer.Option(help="Folder to write (default: seeds/sample).")
    ] = None,
) -> None:
    """Make a deterministic history of the market: change logs and telemetry."""
    from lab import sample as run

    if list_faults or fault == "list":
        for line in run.fault_lines():
            typer.echo(line)
        return
    from lab.simulate.parameters import Parameters

    parameters = Parameters.of(
        quotes=quotes, markets=markets, days=days, rps=rps, seed=seed, start=_instant(start)
    )
    run.simulate(parameters, file_format=file_format, output=output, fault=fault)


def _instant(text: str) -> datetime:
    """The UTC instant of an ISO 8601 text; without an offset it is taken as UTC.

    Raises:
        MbpError: not a date or a date with time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"--start {text}: expected a date such as 2026-01-05", fix="write it as YYYY-MM-DD"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
