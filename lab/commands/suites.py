"""`mbp contracts score`: the judge of changes, measured on cases from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.command_groups import group_named
from mbp.core.errors import EXIT_FINDINGS


def score(
    files: Annotated[
        list[Path], typer.Argument(help="Compatibility cases, one JSON object a line.")
    ],
) -> None:
    """Compare our verdicts with cases of other projects; exit 1 when we are looser on one."""
    from lab.suites.suite_score import OUTCOMES, counts, read_cases
    from lab.suites.suite_score import score as scored_of

    scored = scored_of([case for file in files for case in read_cases(file)])
    for score in scored:
        if score.outcome not in ("agree", "not expressible"):
            typer.echo(
                f"{score.outcome}: {score.case} {score.direction}: expected {score.expected}, found"
                f" {score.actual} {', '.join(score.codes)}"
            )
    typer.echo(f"{'suite':30}" + "".join(f"{name:>17}" for name in OUTCOMES))
    for suite, count in counts(scored).items():
        typer.echo(f"{suite:30}" + "".join(f"{count[name]:17}" for name in OUTCOMES))
    if any(score.outcome == "looser" for score in scored):
        raise typer.Exit(EXIT_FINDINGS)


def register(app: typer.Typer) -> None:
    """Adds what the lab adds to the program."""
    group = group_named(app, "contracts")
    group.command("score", epilog="Example: mbp contracts score cases.jsonl")(score)
