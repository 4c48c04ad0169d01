"""`mbp waiver`: signed, temporary exceptions to a check, a rule or a change, and who approved them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import RELEASE
from mbp.cli.options import Format, Key, Target
from mbp.core.paths import project_root, shown
from mbp.core.reporting import report

if TYPE_CHECKING:
    from mbp.release.waivers.waiver_check import Waivers

NEW_EXAMPLES = """
Example:

  mbp waiver new late_trades --covers rule:closed_market_no_trades --owner DATA --days 7
  --reason "Orders of one shop came late; the fixed load is out on Friday."
  --risk "low: one shop of the sample shows orders after its end."
  --rollback "Restore the last green snapshot: mbp degrade on." --exercise data_contract_break
"""


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Waivers: signed, temporary exceptions with a rehearsed rollback.",
    )
    group.command("new", epilog=NEW_EXAMPLES)(new)
    group.command(
        "sign", epilog="Example: mbp waiver sign late_trades --role SRE --key ~/.ssh/id_ed25519"
    )(sign)
    group.command("check", epilog="Example: mbp waiver check --format json")(check)
    app.add_typer(group, name="waiver", rich_help_panel=RELEASE)


def new(
    name: Annotated[str, typer.Argument(metavar="ID", help="Name of the waiver and of its file.")],
    covers: Annotated[
        str, typer.Option(help="gate_check:ID, rule:ID or change:FINGERPRINT; exactly one.")
    ],
    reason: Annotated[str, typer.Option(help="Why it is needed.")],
    owner: Annotated[str, typer.Option(help="Team that fixes it.")],
    risk: Annotated[str, typer.Option(help='"low: what may happen", or medium, or high.')],
    days: Annotated[int, typer.Option(min=1, help="Days that it applies, with today.")],
    rollback: Annotated[str, typer.Option(help="What to do when it goes wrong.")],
    exercise: Annotated[str, typer.Option(help="Exercise that rehearsed the rollback.")],
    findings: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many it covers; 0: that it was not measured."
            " [default: those that the gate counts now]",
        ),
    ] = None,
    target: Target = None,
) -> None:
    """Write a waiver that opens today. It holds when PO, Eng, Data and SRE have signed it.

    Exit code: 0 written, 2 the waiver exists already, or could not be valid.
    """
    from mbp.release.gate.gate_run import findings_now
    from mbp.release.waivers.write_waiver import new_waiver

    root = project_root()
    kind, _, what = covers.partition(":")
    if findings is None:
        findings = findings_now(root, target, kind, what)
    path = new_waiver(
        root,
        name,
        covers=covers,
        findings=findings,
        reason=reason,
        owner=owner,
        risk=risk,
        days=days,
        rollback=rollback,
        exercise=exercise,
        now=datetime.now(UTC),
    )
    typer.echo(f"wrote {shown(path, root)} for {findings} findings; not signed yet", err=True)


def sign(
    name: Annotated[str, typer.Argument(metavar="ID", help="The waiver.")],
    role: Annotated[str, typer.Option(help="PO, Eng, Data or SRE.")],
    key: Key,
) -> None:
    """Approve a waiver for a role. A waiver that could not be valid is not signed.

    Exit code: 0 signed, 2 it cannot be signed.
    """
    from mbp.release.waivers.write_waiver import sign_waiver

    root = project_root()
    path = sign_waiver(root, name, role, key, datetime.now(UTC))
    typer.echo(f"approved by {role}: {shown(path, root)} and its .sig; commit both", err=True)


def check(
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One waiver; all without one.")
    ] = None,
    form: Format = "text",
) -> None:
    """Show which waivers are valid, until when, and why the others are not.

    Exit code: 0 all are valid, or there are none, 1 one is not, 2 could not check.
    """
    from mbp.release.waivers.waiver_check import valid_waivers

    now = datetime.now(UTC)
    waivers = valid_waivers(project_root(), now)
    suite = waivers.suite(now, name)
    lines = list(_table(waivers, now, name)) or ["no waivers"]
    report(replace(suite, table="\n".join(lines)), form)


def _table(waivers: Waivers, now: datetime, name: str | None) -> Iterator[str]:
    for judged_waiver in waivers.judged:
        waiver = judged_waiver.waiver
        if name not in (None, waiver.id):
            continue
        state = "not valid"
        if judged_waiver.valid:
            state = f"valid until {waiver.until}, {waiver.days_left(now)} days left"
        signed = [role for role, approval in judged_waiver.approvals.items() if approval.valid]
        yield (
            f"{waiver.id}: {state}; covers {waiver.findings} findings of the {waiver.code}"
            f" {waiver.object}; owner {waiver.owner};"
            f" risk {waiver.risk.level}; approved by {', '.join(signed) or 'nobody'}"
        )
