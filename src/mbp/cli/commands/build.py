"""`mbp build`: the datasets, their tests and their documentation in one go."""

from __future__ import annotations

from typing import Annotated

import typer

from mbp.cli.commands import START
from mbp.cli.options import ReportFormat, Target, examples
from mbp.core.errors import EXIT_FINDINGS
from mbp.core.paths import project_root
from mbp.core.reporting import show

EXAMPLES = examples(
    "mbp build                              # the sample, on DuckDB",
    "mbp build --target postgres --full-refresh",
    "mbp build --select orders+ --format json",
    "MBP_RAW=loaded mbp build               # what `mbp load` or CDC brought",
)


def register(app: typer.Typer) -> None:
    """Adds `mbp build`."""
    app.command("build", rich_help_panel=START, epilog=EXAMPLES)(build)


def build(
    target: Target = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild incremental models from scratch.")
    ] = False,
    select: Annotated[
        list[str] | None, typer.Option(help="Build only this part (dbt selection, repeatable).")
    ] = None,
    snapshot: Annotated[
        bool, typer.Option(help="Keep a green build as the snapshot for degraded readers.")
    ] = True,
    form: ReportFormat = "text",
) -> None:
    """Build, test and document the project; print a summary. The log of dbt is logs/dbt.log."""
    from mbp.operate import build as building
    from mbp.operate import summary
    from mbp.release.waivers.waiver_check import waived_rules
    from mbp.runs.dbt_process import target_name
    from mbp.runs.guard import build_of, interruptible

    request = building.BuildRequest(
        root=project_root(),
        target=target,
        full_refresh=full_refresh,
        select=tuple(select or ()),
        snapshot=snapshot,
        waived_rules=waived_rules,
    )
    with interruptible(), build_of(request.root, target_name(request.root, request.target)):
        result = building.build(request)
    show(form, text=summary.render(result), json=summary.as_json(result))
    if not result.passed:
        raise typer.Exit(EXIT_FINDINGS)
