"""`mbp doctor`: can this machine do the work, and if not, what is to be done?"""

from __future__ import annotations

import typer

from mbp.cli.commands import START
from mbp.cli.options import Format, Target, examples
from mbp.core.paths import project_root
from mbp.core.reporting import report
from mbp.core.reporting.progress import progress

EXAMPLES = examples(
    "mbp doctor                             # before the first build, and when something does not work",
    "mbp doctor --target postgres --format json",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor", rich_help_panel=START, epilog=EXAMPLES)(doctor)


def doctor(
    target: Target = None,
    form: Format = "text",
) -> None:
    """Check versions, profile, warehouse, permissions, disk and clocks, and print the fix for each problem.

    Exit code: 0 ready, 1 something must be fixed or could not be checked, 2 could not run.
    """
    from mbp.cli.doctor.examine import examine

    with progress() as shown:
        examination = examine(project_root(), target, say=shown.say)
    report(examination.suite(), form, json=examination.document())
