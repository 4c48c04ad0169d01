"""`mbp report`: one page that says whether we may release, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mbp.cli.commands import RELEASE
from mbp.cli.options import Gate, Target, examples
from mbp.core.errors import MbpError
from mbp.core.gate_files import first_gate
from mbp.core.paths import project_root, shown
from mbp.core.reporting.progress import progress

EXAMPLES = examples(
    "mbp report                             # target/report.html, to open in a browser",
    "mbp report --target postgres --output /tmp/m2.html",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("report", rich_help_panel=RELEASE, epilog=EXAMPLES)(report)


def report(
    gate: Gate = None,
    target: Target = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page; written as a whole. [default: report.html among dbt's artifacts]"
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML page: verdict, checklist, trends and their evidence.

    Exit code: 0 written, whatever the verdict (`mbp gate` gives it), 2 could not write, or written and a check
    of the gate is not measured, or only on another source.
    """
    from mbp.core.reporting.output_forms import write_output
    from mbp.release.gate.gate_run import run_gate
    from mbp.release.report.report_collect import collect
    from mbp.release.report.report_page import page
    from mbp.runs.dbt_process import target_path

    root = project_root()
    gate = first_gate(root, gate)
    path = output or target_path(root) / "report.html"
    with progress() as telling:
        telling.say(f"judging the gate {gate} and collecting what it rests on")
        facts = collect(root, gate, target, path, lambda: run_gate(root, gate, target))
        text = page(facts)
    write_output(path, text)
    typer.echo(f"wrote {shown(path, root)} ({len(text.encode()) / 1024:,.0f} KiB)")
    if facts.unknown:
        more = f" and {len(facts.unknown) - 1} more" if len(facts.unknown) > 1 else ""
        raise MbpError(
            f"its verdict has parts without a current measurement: {facts.unknown[0]}{more}",
            path=shown(path, root),
            fix="`make gate` measures everything; the page names the command of each",
        )
