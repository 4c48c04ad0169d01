"""`mbp evidence`: the pack that backs a gate's verdict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import RELEASE
from mbp.cli.options import Format, Gate, Target, examples
from mbp.core.errors import EXIT_FINDINGS
from mbp.core.files import atomic_path
from mbp.core.gate_files import first_gate
from mbp.core.paths import project_root, shown
from mbp.core.reporting import Suite, deliver, report
from mbp.core.wording import many

if TYPE_CHECKING:
    from mbp.release.evidence.verify_pack import Verification

PackFile = Annotated[Path, typer.Argument(help="A pack.")]
Signers = Annotated[
    Path | None,
    typer.Option(
        help="Whose signatures count: a file in the form of contracts/gates/allowed_signers."
    ),
]
AllowUnsigned = Annotated[bool, typer.Option("--allow-unsigned", help="Accept an unsigned pack.")]

BUILD_EXAMPLES = examples(
    "mbp evidence build --key ~/.ssh/id_ed25519",
    "mbp evidence build --target postgres --output release.zip",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="The evidence pack: one file with everything behind a verdict of the gate.",
    )
    group.command("build", epilog=BUILD_EXAMPLES)(build)
    group.command(
        "verify", epilog="Example: mbp evidence verify pack.zip --allowed-signers signers"
    )(verify)
    group.command("anchor", epilog="Example: mbp evidence anchor target/evidence_M2.zip")(anchor)
    app.add_typer(group, name="evidence", rich_help_panel=RELEASE)


def build(
    gate: Gate = None,
    target: Target = None,
    output: Annotated[
        Path | None, typer.Option(help="The file. [default: target/evidence_<gate>.zip]")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="SSH key that signs: private, or public with ssh-agent. [default: unsigned]"
        ),
    ] = None,
) -> None:
    """Run the gate, go or no-go, and write the pack of its evidence.

    Exit code: 0 written, 1 refused: personal data or a secret, 2 something is missing or could not run.
    """
    from mbp.release.evidence.pack_build import RefusedPackError
    from mbp.release.evidence.pack_build import build as build_pack
    from mbp.runs.dbt_process import target_path

    root = project_root()
    gate = first_gate(root, gate)
    try:
        pack = build_pack(root, gate, target, key)
    except RefusedPackError as error:
        findings = [finding.finding for finding in error.findings]
        deliver(Suite("mbp evidence build", [gate], findings, unit="pack"), "text")
        typer.echo(f"nothing written: {many(len(findings), 'finding')}", err=True)
        raise typer.Exit(EXIT_FINDINGS) from error
    path = output or target_path(root) / f"evidence_{gate}.zip"
    with atomic_path(path) as temporary:
        temporary.write_bytes(pack.content)
    members = sum(pack.groups.values())
    typer.echo(f"{gate}: {pack.report.verdict}")
    typer.echo(f"root {pack.root}")
    signed = "signed" if pack.signed else "NOT SIGNED"
    typer.echo(
        f"{shown(path, root)}: {many(members, 'member')}, {len(pack.content):,} bytes, {signed}",
        err=True,
    )


def verify(
    file: PackFile,
    allowed_signers: Signers = None,
    allow_unsigned: AllowUnsigned = False,
    form: Format = "text",
) -> None:
    """Check every file, hash, signature and statement of a pack; needs no project, warehouse or network.

    Exit code: 0 nothing is wrong (go or no-go: it says which), 1 findings, 2 could not check.
    """
    from mbp.release.evidence.verify_pack import verify as verify_pack

    verification = verify_pack(file, allowed_signers=allowed_signers, allow_unsigned=allow_unsigned)
    checked, table = [str(file)] if verification.members else [], "\n".join(_facts(verification))
    suite = Suite("mbp evidence verify", checked, verification.findings, table=table)
    report(suite, form, json={"good": verification.good, **asdict(verification)})


def anchor(
    file: PackFile,
    gate: Gate = None,
    allowed_signers: Signers = None,
    allow_unsigned: AllowUnsigned = False,
) -> None:
    """Verify a pack and write the git tag anchor-<gate>-<root> at its commit. Safe to run again.

    Exit code: 0 the tag is there, 2 refused.
    """
    from mbp.release.evidence.anchor import anchor as write_tag
    from mbp.release.evidence.verify_pack import verify as verify_pack

    root = project_root()
    verification = verify_pack(file, allowed_signers=allowed_signers, allow_unsigned=allow_unsigned)
    tag, new = write_tag(root, verification, first_gate(root, gate))
    typer.echo(tag)
    typer.echo("written" if new else "was there already, the same", err=True)


def _facts(verification: Verification) -> list[str]:
    lines = [f"{name}: {state}" for name, state in verification.signatures.items()]
    if verification.gate:
        lines.append(
            f"gate {verification.gate}: {verification.verdict}, decided {verification.decided_at}"
        )
        lines.append(f"commit {verification.commit}")
        lines.append(f"root {verification.root}")
    if verification.signed_by:
        lines.append(f"signed by {', '.join(verification.signed_by)} ({verification.signers})")
    lines += [f"note: {remark}" for remark in verification.remarks]
    lines.append(
        f"{verification.members} members, nothing is wrong"
        if verification.good
        else f"{many(len(verification.findings), 'finding')}: NOT what it was, or not to be relied on"
    )
    return lines
