"""Small artifacts in the shape that dbt 1.11 writes, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class ContractRule:
    """The part of a contract rule that findings read."""

    id: str
    dataset: str
    owner: str = "DATA"
    severity: str = "error"
    family: str = "not_null"
    description: str = "what must hold"
    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Artifacts:
    """A project with one mart, its latest state, and tests that are added one by one."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.unit_tests: dict[str, Any] = {}
        self.results: list[dict[str, Any]] = []
        self.rules: list[ContractRule] = []
        self.which = "build"
        self.model("int_mbp__quotes_latest", schema="intermediate")
        self.model("mbp_quotes", parents=["model.mbp.int_mbp__quotes_latest"])

    def model(
        self,
        name: str,
        *,
        schema: str = "marts",
        parents: list[str] | None = None,
        status: str = "success",
        message: str = "OK",
    ) -> None:
        unique_id = f"model.mbp.{name}"
        self.results = [one for one in self.results if one["unique_id"] != unique_id]
        self.nodes[unique_id] = {
            "unique_id": unique_id,
            "name": name,
            "resource_type": "model",
            "database": "mbp",
            "schema": schema,
            "relation_name": f'"mbp"."{schema}"."{name}"',
            "depends_on": {"nodes": parents or []},
            "config": {"materialized": "table", "group": "data"},
        }
        self.results.append({"unique_id": unique_id, "status": status, "message": message})

    def test(
        self,
        name: str,
        status: str = "pass",
        *,
        failures: int | None = 0,
        severity: str = "error",
        message: str | None = None,
        code: str = "select * from broken",
        meta: dict[str, Any] | None = None,
        column: str | None = None,
        kind: str | None = None,
        in_contract: bool = True,
        in_results: bool = True,
    ) -> None:
        unique_id = f"test.mbp.{name}.0a1b2c3d4e"
        self.nodes[unique_id] = {
            "unique_id": unique_id,
            "name": name,
            "resource_type": "test",
            "attached_node": "model.mbp.mbp_quotes",
            "column_name": column,
            "test_metadata": {"name": kind or "custom", "kwargs": {}, "namespace": None},
            "depends_on": {"nodes": ["model.mbp.mbp_quotes"]},
            "compiled_code": code,
            "tags": ["a89"],
            "config": {
                "severity": severity,
                "meta": {"rule_id": name, "dataset": "mbp_quotes", "owner": "DATA", "pack": "A89"}
                if meta is None
                else meta,
            },
        }
        if in_results:
            self.results.append(
                {
                    "unique_id": unique_id,
                    "status": status,
                    "failures": failures,
                    "message": message,
                    "compiled_code": code,
                }
            )
        if in_contract:
            self.rules.append(
                ContractRule(
                    name,
                    "mbp_quotes",
                    severity="warning" if severity == "warn" else "error",
                    columns=(column,) if column else (),
                )
            )

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "metadata": {"generated_at": "2026-01-01T00:00:00Z", "invocation_id": "one"},
            "nodes": self.nodes,
            "unit_tests": self.unit_tests,
            "groups": {"group.mbp.data": {"name": "data", "owner": {"name": "DATA"}}},
        }

    @property
    def run_results(self) -> dict[str, Any]:
        return {
            "metadata": {
                "invocation_started_at": "2026-01-01T00:00:00Z",
                "generated_at": "2026-01-01T00:00:05Z",
                "invocation_id": "one",
            },
            "args": {"which": self.which, "target": "duckdb"},
            "results": self.results,
        }


@pytest.fixture
def artifacts() -> Artifacts:
    return Artifacts()


@pytest.fixture
def contract_rule() -> Callable[..., ContractRule]:
    return ContractRule
