"""MetricFlow in this process: from a request to SQL. The project's own read-only connection runs it.

Its command line `mf` would start dbt, open a connection that may write, and ask a package registry for news of
itself; none of that is needed to compile SQL. Source: `MetricFlowEngine` of metricflow 0.213.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NoReturn

from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer
from metricflow_semantics.errors.error_classes import (
    InformativeUserError,
    InvalidManifestException,
    SemanticException,
)
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from mbp.core.errors import MbpError

RENDERERS = {
    "duckdb": (SqlEngine.DUCKDB, DuckDbSqlPlanRenderer),
    "postgres": (SqlEngine.POSTGRES, PostgresSQLSqlPlanRenderer),
}
REFUSALS = (InformativeUserError, InvalidManifestException, SemanticException)


class SemanticLayer:
    """The parsed semantic layer, for one engine.

    Args:
        manifest: text of dbt's semantic manifest.
        engine: duckdb or postgres.

    Raises:
        MbpError: no such engine, or MetricFlow cannot read the manifest.
    """

    def __init__(self, manifest: str, engine: str) -> None:
        for name in ("metricflow", "metricflow_semantics"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if engine not in RENDERERS:
            raise MbpError(f"MetricFlow does not speak {engine}", fix="use duckdb or postgres")
        try:
            self._manifest = parse_manifest_from_dbt_generated_manifest(manifest)
            self._engine = MetricFlowEngine(
                SemanticManifestLookup(self._manifest), _Dialect(*RENDERERS[engine])
            )
        except (*REFUSALS, ValueError) as error:
            raise MbpError(
                f"MetricFlow cannot read the semantic layer: {_one_line(error)}",
                path="models/semantic",
                fix="run `dbt parse`, which names the place",
            ) from error
        # Parts of a quotient mean nothing alone.
        declared = [
            metric.name
            for metric in self._manifest.metrics
            if "part_of" not in ((metric.config.meta if metric.config else None) or {})
        ]
        self.saved_queries = {saved.name: saved for saved in self._manifest.saved_queries}
        self.metric_names = tuple(sorted(declared))

    def dimensions(self, metrics: Sequence[str]) -> dict[str, str]:
        """What all the metrics can be grouped by: name -> kind (`time`, `dimension` or `entity`).

        A time has its finest grain in its name, and is also there without one.
        """
        results: dict[str, str] = {}
        for dimension in self._engine.simple_dimensions_for_metrics(list(metrics)):
            kind = "time" if dimension.type.value == "time" else "dimension"
            results[dimension.dunder_name] = kind
        for entity in self._engine.entities_for_metrics(list(metrics)):
            results[entity.name] = "entity"
        return dict(sorted(results.items()))

    def sql(self, request: MetricFlowQueryRequest) -> str:
        """The query that answers the request.

        Raises:
            MbpError: MetricFlow refuses the request.
        """
        try:
            return str(self._engine.explain(request).sql_statement.without_descriptions.sql)
        except REFUSALS as error:
            raise MbpError(
                f"MetricFlow refuses the query: {_one_line(error)}", fix="see `mbp metrics list`"
            ) from error


class _Dialect:
    """What MetricFlow asks of a connection to compile for its engine. It gets none."""

    def __init__(self, engine: SqlEngine, renderer: Any) -> None:
        self.sql_engine_type = engine
        self.sql_plan_renderer = renderer()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise MbpError("MetricFlow asked for a connection", fix="report it: it only compiles here")

    query = execute = dry_run = render_bind_parameter_key = _refuse

    def close(self) -> None:
        """There is nothing to close."""


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:600] or type(error).__name__
