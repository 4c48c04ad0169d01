"""The metrics of the semantic layer, compiled from A87: MetricFlow's legacy specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mbp.contracts.rendering.yaml_text import MARK, properties_text
from mbp.contracts.semantics import METRICS, Metric, Semantics
from mbp.contracts.sheet import SHEET, WORST_WINDOW, Kpi, Sheet
from mbp.core.templates import templates

KPI_PREFIX = "kpi_"
WINDOW_MEASURES = {"highest": "highest_window", "lowest": "lowest_window"}


@dataclass(frozen=True)
class SemanticMetric:
    """A metric as A87 has it, in the words of the semantic layer.

    Attributes:
        name: of the semantic metric: the id of a business metric, `kpi_` and the id of a KPI.
        owner: the team that answers; the first one where the sheet names two.
        source: the file of A87 that it comes from.
        measures: of the semantic models; two of them are numerator and denominator.
        row_filter: rows of the measure that count, as a template of MetricFlow; None for all.
    """

    name: str
    label: str
    definition: str
    unit: str
    grain: str
    across: str
    owner: str
    source: str
    measures: tuple[str, ...]
    row_filter: str | None = None

    @property
    def description(self) -> str:
        """Definition, what it means over several grains, unit and grain, in one paragraph."""
        return f"{self.definition} {self.across} Unit: {self.unit}. Grain: {self.grain}."

    @property
    def parts(self) -> tuple[str, ...]:
        """Metrics that exist only because a quotient needs two of them."""
        return (f"{self.name}_numerator", f"{self.name}_denominator") if self.quotient else ()

    @property
    def quotient(self) -> bool:
        """Whether it is the quotient of two sums."""
        return len(self.measures) > 1

    @property
    def meta(self) -> dict[str, str]:
        """What the semantic layer carries for tools, equal to A87."""
        return {
            "definition": self.definition,
            "across": self.across,
            "unit": self.unit,
            "grain": self.grain,
            "owner": self.owner,
            "pack": "A87",
            "source": self.source,
        }


def semantic_metrics(semantics: Semantics, sheet: Sheet) -> tuple[SemanticMetric, ...]:
    """Every metric of A87: the business metrics, then the KPIs, each in the order of its file."""
    return (
        *(_of_business(metric) for metric in semantics.metrics),
        *(_of_kpi(kpi) for kpi in sheet.kpis.values()),
    )


def metrics_yaml(semantics: Semantics, sheet: Sheet) -> str:
    """models/semantic/_semantic__metrics.gen.yml."""
    metrics = [
        rendered
        for metric in semantic_metrics(semantics, sheet)
        for rendered in (*_parts(metric), _metric(metric))
    ]
    return properties_text(metrics=metrics)


def metrics_markdown(semantics: Semantics, sheet: Sheet) -> str:
    """docs/reference/metrics.md: every metric and what it means, business metrics first."""
    template = templates("mbp.contracts").get_template("metrics.md.j2")
    return template.render(metrics=semantic_metrics(semantics, sheet), mark=MARK)


def _of_business(metric: Metric) -> SemanticMetric:
    return SemanticMetric(
        name=metric.id,
        label=metric.name,
        definition=metric.definition,
        unit=metric.unit,
        grain=metric.grain,
        across=metric.across,
        owner=metric.owner,
        source=METRICS,
        measures=metric.measures,
    )


def _of_kpi(kpi: Kpi) -> SemanticMetric:
    if kpi.measure == WORST_WINDOW:
        worst = "lowest" if kpi.operator.startswith(">") else "highest"
        measure, across = (
            WINDOW_MEASURES[worst],
            f"Over several windows and entities the worst of them, the {worst}, as the target is {kpi.target}.",
        )
        row_filter = f"{{{{ Dimension('kpi_window__kpi_id') }}}} = '{kpi.id}'"
    else:
        measure, row_filter = kpi.measure, None
        across = (
            "Over another time than its window: of all that was measured in it, not of the windows."
        )
    window = "run" if kpi.window_minutes is None else f"window of {kpi.window}"
    return SemanticMetric(
        name=f"{KPI_PREFIX}{kpi.id}",
        label=f"{kpi.name} (KPI)",
        definition=kpi.definition,
        unit=kpi.unit,
        grain=f"entity and {window}",
        across=across,
        owner=kpi.owners[0],
        source=SHEET,
        measures=(measure,),
        row_filter=row_filter,
    )


def _metric(metric: SemanticMetric) -> dict[str, Any]:
    if metric.quotient:
        numerator, denominator = metric.parts
        kind: dict[str, Any] = {
            "type": "ratio",
            "type_params": {"numerator": numerator, "denominator": denominator},
        }
    else:
        kind = {"type": "simple", "type_params": {"measure": metric.measures[0]}}
    rendered = {
        "name": metric.name,
        "label": metric.label,
        "description": metric.description,
        **kind,
        "config": {"group": metric.owner.lower(), "meta": metric.meta},
    }
    if metric.row_filter:
        rendered["filter"] = metric.row_filter
    return rendered


def _parts(metric: SemanticMetric) -> Iterator[dict[str, Any]]:
    for part, measure in zip(metric.parts, metric.measures, strict=False):
        yield {
            "name": part,
            "label": f"{metric.label}, {part.removeprefix(metric.name)[1:]}",
            "description": f"Part of the metric {metric.name}; it means nothing alone.",
            "type": "simple",
            "type_params": {"measure": measure},
            "config": {
                "group": metric.owner.lower(),
                "meta": {"part_of": metric.name, "pack": "A87"},
            },
        }
