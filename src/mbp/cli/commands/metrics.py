"""`mbp metrics`: the metrics of A87, asked by name; and the newest KPI values for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mbp.cli.commands import DECISIONS
from mbp.cli.options import METRICS, Format, Output, ReportFormat, Target, examples
from mbp.core.errors import EXIT_FINDINGS
from mbp.core.paths import project_root
from mbp.core.reporting import report, show

if TYPE_CHECKING:
    from mbp.operate.semantic.metricflow import SemanticLayer
    from mbp.operate.semantic.query import Answer

QUERY_EXAMPLES = examples(
    "mbp metrics query traded_volume --by day --by market__category",
    "mbp metrics query revenue --by day --where \"region = 'north'\"",
    "mbp metrics query brier_score --by forecast__horizon_hours --format csv",
    "mbp metrics query brier_score --chart --save calibration.png",
    "mbp metrics query traded_volume --by day --chart --save volume.html",
    "mbp metrics query --saved market_days --from 2026-01-05 --to 2026-01-06",
)

EXPORT_EXAMPLES = examples(
    "mbp metrics export                     # the Prometheus text format",
    "mbp metrics export --output /var/lib/node_exporter/mbp.prom",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="List, query and check the metrics (A87).")
    group.command("list", epilog="Example: mbp metrics list brier_score")(list_metrics)
    group.command("query", epilog=QUERY_EXAMPLES)(query)
    group.command("check", epilog="Example: dbt parse && mbp metrics check")(check)
    group.command("export", epilog=EXPORT_EXAMPLES)(export)
    app.add_typer(group, name="metrics", rich_help_panel=DECISIONS)


def list_metrics(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="METRIC", help="Show all details of these.", autocompletion=METRICS),
    ] = None,
    target: Target = None,
    form: ReportFormat = "text",
) -> None:
    """List metrics and saved queries with unit, owner and the dimensions to group by.

    Exit code: 0 listed, 2 an unknown name, or the project cannot be parsed.
    """
    from mbp.operate.semantic.metrics_check import metrics_of
    from mbp.operate.semantic.query import known_name, open_layer
    from mbp.runs.dbt_process import target_name

    root = project_root()
    layer = open_layer(root, target_name(root, target))
    known = {
        metric.name: metric for metric in metrics_of(root) if metric.name in layer.metric_names
    }
    asked = [known_name(name, known, "metric") for name in names or ()]
    listed = [known[name] for name in asked] if asked else list(known.values())
    saved = _saved(layer)
    lines = []
    width = max(len(metric.name) for metric in listed)
    for semantic_metric in listed:
        lines.append(
            f"{semantic_metric.name:<{width}}  {semantic_metric.owner:<5} {semantic_metric.unit}"
        )
        if asked:
            lines.append(
                f"  {semantic_metric.definition} {semantic_metric.across}\n  grain: {semantic_metric.grain}"
            )
            lines.append(f"  by: {', '.join(layer.dimensions([semantic_metric.name]))}")
    if not asked:
        lines.append("\nsaved queries:")
        lines += [f"  {saved_query['name']}: {saved_query['description']}" for saved_query in saved]
    metrics = [
        {
            "name": metric.name,
            "label": metric.label,
            **metric.meta,
            "dimensions": layer.dimensions([metric.name]),
        }
        for metric in listed
    ]
    show(form, text="\n".join(lines), json={"metrics": metrics, "saved_queries": saved})


def query(
    metrics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METRIC", help="One or more; `mbp metrics list`.", autocompletion=METRICS
        ),
    ] = None,
    saved: Annotated[str | None, typer.Option(help="A saved query instead of metrics.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="A dimension, or minute, hour, day, week, month; may be repeated."),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition over dimensions; may be repeated.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="First day or instant, UTC.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="First day or instant, UTC, that is excluded.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows at most.")] = None,
    form: Annotated[
        Literal["text", "csv", "json", "markdown"], typer.Option("--format", help="Output format.")
    ] = "text",
    chart: Annotated[
        bool,
        typer.Option(
            "--chart",
            help="Draw it: lines over time, a reliability diagram of forecasts, else bars.",
        ),
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the chart to a file: .html, .png or .svg.")
    ] = None,
    target: Target = None,
) -> None:
    """Query metrics as a table, CSV, JSON or a chart. Only reads.

    Exit code: 0 answered, also when the query is valid and nothing was measured under its conditions (the output says
    so); 1 nothing was ever measured of the metric; 2 an unknown name, a wrong condition, no warehouse.
    """
    from mbp.operate.semantic.metric_forms import empty_in_words, written
    from mbp.operate.semantic.query import Question, ask

    question = Question(
        metrics=tuple(metrics or ()),
        saved=saved,
        by=tuple(by or ()),
        where=tuple(where or ()),
        start=start,
        end=end,
        limit=limit,
    )
    answer = ask(project_root(), target, question)
    if not answer.empty and (chart or save):
        _draw(answer, chart, save)
    elif not answer.empty or form in ("csv", "json"):
        typer.echo(written(answer, form), nl=False)
    for note in answer.notes:
        _tell(note)
    if answer.empty:
        typer.echo(empty_in_words(answer), err=form in ("csv", "json"))
        if answer.nothing_anywhere:
            raise typer.Exit(EXIT_FINDINGS)


def check(form: Format = "text") -> None:
    """Compare A87 with the semantic layer: metrics, definitions, units, owners, measures.

    Reads the manifest of dbt's last parse. Exit code: 0 the same, 1 findings, 2 the manifest is missing, stale or
    empty.
    """
    from mbp.operate.semantic.metrics_check import check as checking

    report(checking(project_root()), form)


def export(output: Output = None, target: Target = None) -> None:
    """Write the newest value of every KPI, and the state of change data capture, for Prometheus."""
    from mbp.operate.hooks.exposition import exposition
    from mbp.operate.hooks.watch import look

    seen = look(project_root(), target)
    text = exposition(seen.policy, seen.picture, seen.outcome, seen.captured)
    show("text", output, text=text)


def _draw(answer: Answer, chart: bool, path: Path | None) -> None:
    from mbp.operate.semantic.metric_forms import in_terminal, save

    if chart:
        typer.echo(in_terminal(answer), nl=False)
    if path is not None:
        save(answer, path)
        _tell(f"wrote {path}")


def _saved(layer: SemanticLayer) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "description": str(saved.description or ""),
            "metrics": list(saved.query_params.metrics),
            "by": list(saved.query_params.group_by),
        }
        for name, saved in sorted(layer.saved_queries.items())
    ]


def _tell(text: str) -> None:
    typer.echo(f"mbp: {text}", err=True)
