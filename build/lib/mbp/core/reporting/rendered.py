"""The two halves of every `render` command: write what is stale, or only say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer

from mbp.core.reporting.findings import Finding, Suite
from mbp.core.reporting.output_forms import report


def render_or_check(
    check: bool,
    write: Callable[[], Sequence[str]],
    stale: Callable[[], Sequence[str]],
    fix: str,
    form: str,
) -> None:
    """Writes the generated files that are stale, or with `check` names them and writes nothing.

    Raises:
        typer.Exit: with findings, when `check` found stale files.
    """
    if not check:
        changed = write()
        for name in changed:
            typer.echo(f"wrote {name}", err=True)
        typer.echo(f"{len(changed)} files written" if changed else "nothing was stale", err=True)
        return
    findings = [Finding("stale", "out of date", name, fix=fix) for name in stale()]
    report(Suite("generated files", ["all"], findings, unit="set"), form)
