"""`mbp privacy`: personal data and secrets, found without being shown."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mbp.cli.commands import QUALITY
from mbp.cli.options import Format, Target, examples
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS
from mbp.core.paths import project_root
from mbp.core.reporting import deliver
from mbp.core.reporting.progress import progress

SCAN_EXAMPLES = examples(
    "mbp privacy scan                       # everything that the policy names",
    "mbp privacy scan target/evidence --format json",
    "some-service 2>&1 | mbp privacy scan -",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Find personal data and secrets, and measure how well they are found.",
    )
    group.command("scan", epilog=SCAN_EXAMPLES)(scan)
    app.add_typer(group, name="privacy", rich_help_panel=QUALITY)


def scan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or folders, `-` for stdin; without one, all sources of the policy."
        ),
    ] = None,
    target: Target = None,
    form: Format = "text",
) -> None:
    """Scan logs, seeds, datasets, evidence and the repository for personal data and secrets.

    Archives, databases and tables in files are opened. A file of an unknown kind counts as not read.

    Exit code: 0 everything was read and nothing found, 1 findings, 2 something was not read.
    """
    from mbp.quality.privacy.scan_report import STDIN, scan_paths, scan_project
    from mbp.runs.dbt_process import target_name

    root = project_root()
    target = target_name(root, target)
    if paths:
        stdin = sys.stdin.buffer.read() if STDIN in paths else b""
        report = scan_paths(root, target, paths, stdin)
    else:
        with progress() as shown:
            report = scan_project(root, target, shown.say)
    document = {"verdict": report.verdict, **report.content()}
    deliver(report.suite(), form, json=document)
    for problem in report.unseen:
        typer.echo(f"mbp: not checked: {problem}", err=True)
    if report.verdict == "fail":
        raise typer.Exit(EXIT_FINDINGS)
    if report.unseen:
        raise typer.Exit(EXIT_COULD_NOT_RUN)
