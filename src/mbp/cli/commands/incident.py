"""`mbp incident`: what a decision found, and what the person on call does about it."""

from __future__ import annotations

from pathlib import Path

import typer

from mbp.cli.commands import DECISIONS
from mbp.cli.options import ReportFormat, Target, examples
from mbp.core import reporting
from mbp.core.errors import MbpError
from mbp.core.paths import project_root

EXAMPLES = examples(
    "mbp incident show                # the newest",
    "mbp incident show 3f2a           # the beginning of its id is enough",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="Incidents: cause, rows and next commands.")
    group.command("show", epilog=EXAMPLES)(show)
    app.add_typer(group, name="incident", rich_help_panel=DECISIONS)


def show(
    incident: str = typer.Argument("", help="Id, or its beginning. [default: the newest]"),
    target: Target = None,
    form: ReportFormat = "text",
) -> None:
    """Show an incident: cause, failing rows (personal values masked), and the commands of its runbook.

    Exit code: 0 shown, 2 there is no such incident.
    """
    from mbp.contracts.hook_policy import load_hooks
    from mbp.core.paths import state_folder
    from mbp.operate.hooks.incidents import find_incident
    from mbp.release.documents.markdown_body import runbook_steps

    root = project_root()
    found = find_incident(state_folder(root), incident)
    hook = load_hooks(root).hooks.get(found.hook_id)
    rows = _rows(root, hook.kpi.id, target) if hook else ""
    steps = runbook_steps(root / hook.runbook) if hook else []
    lines = [found.text.rstrip(), *(("", "## Rows", "", rows) if rows else ())]
    if hook:
        lines += ["", f"## Next ({hook.runbook})"]
    for section, commands in steps:
        lines += ["", f"{section}:", *(f"  {command}" for command in commands)]
    text = "\n".join(lines)
    document = {"incident": found.text, "rows": rows, "next": dict(steps)}
    # An incident is Markdown as it is written.
    reporting.show(form, text=text, markdown=text, json=document)


def _rows(root: Path, kpi_id: str, target: str | None) -> str:
    """The rows of the rules that are the cause; why not, where they cannot be read."""
    from dataclasses import replace

    from mbp.operate.hooks.incidents import causes
    from mbp.quality import failures
    from mbp.quality.failures import look_at_last_run

    broken = {cause.rule_id for cause in causes(root, kpi_id)} - {""}
    if not broken:
        return ""
    try:
        run = look_at_last_run(root, target=target)
    except MbpError as error:
        return f"not read: {error}"
    findings = [pair for pair in run.findings if pair[0].rule_id in broken]
    shown = replace(run, findings=findings, partial=())
    return failures.suite(shown).table.rpartition("\n")[0]
