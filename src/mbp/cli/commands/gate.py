"""`mbp gate`: may we release, and who signs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from mbp.cli.commands import RELEASE
from mbp.cli.options import Format, Gate, Key, Target, examples
from mbp.core.errors import EXIT_FINDINGS, EXIT_REHEARSAL, MbpError
from mbp.core.gate_files import first_gate, gates
from mbp.core.paths import project_root
from mbp.core.paths import shown as shown_path
from mbp.core.reporting import deliver
from mbp.core.reporting.progress import progress
from mbp.core.verdict import GO, REHEARSAL

HELP = """May we release? Checks the checklist and writes target/evidence/gate_{name}.json and .md.

Exit code: 0 go, 1 no-go, 2 the gate itself is wrong, 3 go for a rehearsal: not on production data or engine."""

EXAMPLES = """
Examples:

  mbp gate {name}

  mbp gate {name} --target postgres --format json

  mbp gate {name} --format markdown >> "$GITHUB_STEP_SUMMARY"
"""

SIGN_EXAMPLES = examples(
    "mbp gate sign --role SRE --key ~/.ssh/id_ed25519",
    "mbp gate sign --role Data --key ~/.ssh/id_ed25519.pub --target postgres   # the private half is in ssh-agent",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="The gate before a release, and its sign-offs.")
    for name in _gates():
        group.command(name, epilog=EXAMPLES.format(name=name), help=HELP.format(name=name))(
            _judging(name)
        )
    group.command("rules", epilog="Example: mbp gate rules")(rules)
    group.command("sign", epilog=SIGN_EXAMPLES)(sign)
    app.add_typer(group, name="gate", rich_help_panel=RELEASE)


def _gates() -> list[str]:
    try:
        return list(gates(project_root()))
    except MbpError:
        return []  # outside of a project there is none


def _judging(name: str) -> Callable[..., None]:
    def judge(target: Target = None, form: Format = "text") -> None:
        _judge(name, target, form)

    return judge


def _judge(name: str, target: str | None, form: Any) -> None:
    from mbp.release.gate.gate_forms import as_markdown, as_text, suite
    from mbp.release.gate.gate_run import keep, run_gate

    root = project_root()
    with progress() as shown:
        shown.say(f"judging the gate {name}")
        report = run_gate(root, name, target)
    keep(root, report)
    deliver(
        suite(report),
        form,
        text=as_text(report),
        json=report.document(),
        markdown=as_markdown(report),
    )
    if report.verdict != GO:
        raise typer.Exit(EXIT_REHEARSAL if report.verdict == REHEARSAL else EXIT_FINDINGS)


def rules() -> None:
    """The rules that a gate's definition may name."""
    from mbp.release.gate.gate_forms import rules_text

    typer.echo(rules_text(), nl=False)


def sign(
    role: Annotated[str, typer.Option(help="PO, Eng, Data, SRE, FE, SEC or INT.")],
    key: Key,
    target: Target = None,
    gate: Gate = None,
) -> None:
    """Run the gate, show its checklist, and sign it for a role. A checklist with open checks is not signed.

    Exit code: 0 signed, 1 a check is neither passed nor waived, 2 could not run or sign.
    """
    from mbp.release.gate.gate_run import run_gate
    from mbp.release.gate.signoffs import open_checks, sign_off, sign_off_subject

    root = project_root()
    name = first_gate(root, gate)
    with progress() as shown:
        shown.say(f"judging the gate {name}")
        report = run_gate(root, name, target).document()
    standing = open_checks(report)
    for check in standing:
        typer.echo(f"{check['id']}: {check['verdict']}: {check['what']}")
    if standing:
        typer.echo(
            f"not signed: {len(standing)} checks are neither passed nor waived; an unready release is"
            f" not signed. Fix: `mbp gate {name}` prints what to do about each",
            err=True,
        )
        raise typer.Exit(EXIT_FINDINGS)
    for name, verdict in sign_off_subject(report)["checklist"].items():
        typer.echo(f"{name}: {verdict}")
    path = sign_off(root, report, role, key, datetime.now(UTC))
    typer.echo(f"signed by {role}: {shown_path(path, root)} and its .sig; commit both", err=True)
