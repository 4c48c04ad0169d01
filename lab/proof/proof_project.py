"""The project built on the clean sample, and what a change of some raw tables makes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.proof.compiled_project import CompiledModel, CompiledProject
from lab.proof.dbt_verdict import verdict, verdict_sql
from lab.proof.sandbox import Sandbox, SandboxError
from lab.proof.shown_rows import ShownRows
from mbp.core.errors import MbpError
from mbp.quality.compiled_tests import CompiledTest


@dataclass(frozen=True)
class Seen:
    """A test that did not pass.

    Attributes:
        outcome: warn, fail or error.
        rows: None for an error.
        message: of an error.
        not_shown: why no row of it can be shown; empty when one was, or when no rows were demanded.
    """

    rule_id: str
    outcome: str
    rows: int | None
    message: str = ""
    not_shown: str = ""


class ProofProject:
    """Raw tables, models and tests in one sandbox, without constraints.

    The tests must be able to fail by themselves, so models are built as plain `select`s: what a
    constraint would have refused reaches the test.

    Args:
        sandbox: an empty database; the caller closes it.
        project: compiled for that database.
        shown_rows: of which each test that fails must be able to show some.
    """

    def __init__(
        self, sandbox: Sandbox, project: CompiledProject, shown_rows: ShownRows | None = None
    ) -> None:
        self._sandbox = sandbox
        self._project = project
        self._shown_rows = shown_rows
        self._raw_ids = {raw.key: raw.unique_id for raw in project.raw}

    def build(self, tables: Mapping[str, Any]) -> list[Seen]:
        """Loads the clean tables, builds every model, runs every test.

        Raises:
            MbpError: a raw table is missing, or clean data cannot be loaded or built.
        """
        for raw in self._project.raw:
            if raw.key not in tables:
                raise MbpError(
                    f"the project reads {raw.key}, which the simulator does not make",
                    fix="keep seeds/sample and lab.simulate on the same tables",
                )
            if not raw.columns:
                raise MbpError(
                    f"the seed of {raw.key} has no column_types", fix="give every column its type"
                )
            try:
                self._sandbox.create_raw(raw.relation, raw.columns)
                self._sandbox.fill(raw.relation, raw.columns, tables[raw.key])
            except SandboxError as error:
                raise MbpError(
                    f"cannot load the clean {raw.key}: {error}",
                    fix="run `mbp simulate`, and give the seed the types of its columns",
                ) from error
        for model in self._project.models:
            kind = "view" if model.is_view else "table"
            try:
                self._sandbox.execute(f"create {kind} {model.relation} as\n{model.sql}")
            except SandboxError as error:
                raise MbpError(
                    f"cannot build {model.name} on the clean sample: {error}",
                    fix="make `dbt build` pass first",
                ) from error
        return self._run(self._project.tests)

    def with_changes(self, tables: Mapping[str, Any], statements: Sequence[str] = ()) -> list[Seen]:
        """What the tests find when `tables` replace the clean ones and `statements` ran after.

        Only what depends on a changed table is built and tested again: everything else gives the
        verdict it gave on the clean sample. `statements` can touch anything, so all tests run then.
        Everything is rolled back.
        """
        touched = {self._raw_ids[key] for key in tables if key in self._raw_ids}
        models = [model for model in self._project.models if model.upstream & touched]
        reached = touched | {model.unique_id for model in models}
        tests = [test for test in self._project.tests if statements or test.upstream & reached]
        return self._try(tables, models, statements, tests, broken=())

    def replace(self, tables: Mapping[str, Any], statements: Sequence[str] = ()) -> list[Seen]:
        """Like `with_changes`, permanently: others may read the tables afterwards.

        Args:
            tables: every raw table; all models are built again.

        Raises:
            SandboxError: the tables cannot be loaded or a model cannot be built.
        """
        self._apply(tables, self._project.models, statements)
        return self._run(self._project.tests)

    def _try(
        self,
        tables: Mapping[str, Any],
        models: Sequence[CompiledModel],
        statements: Sequence[str],
        tests: Sequence[CompiledTest],
        broken: Sequence[Seen],
    ) -> list[Seen]:
        self._sandbox.begin()
        try:
            try:
                self._apply(tables, models, statements)
            except SandboxError as error:
                return [Seen("(build)", "error", None, _first_line(error))]
            left_out = {seen.rule_id for seen in broken}
            seen = self._run([test for test in tests if test.rule_id not in left_out])
        finally:
            self._sandbox.rollback()
        failed = [result for result in seen if result.outcome == "error"]
        if not failed:
            return sorted([*seen, *broken], key=lambda outcome: outcome.rule_id)
        # The error ended the transaction, so the tests after it said nothing: again, without it.
        return self._try(tables, models, statements, tests, [*broken, *failed])

    def _apply(
        self,
        tables: Mapping[str, Any],
        models: Sequence[CompiledModel],
        statements: Sequence[str],
    ) -> None:
        for raw in self._project.raw:
            if raw.key in tables:
                self._sandbox.execute(f"delete from {raw.relation}")
                self._sandbox.fill(raw.relation, raw.columns, tables[raw.key])
        for model in models:
            if not model.is_view:
                self._sandbox.execute(f"delete from {model.relation}")
                self._sandbox.execute(f"insert into {model.relation}\n{model.sql}")
        for statement in statements:
            self._sandbox.execute(statement)

    def _run(self, tests: Collection[CompiledTest]) -> list[Seen]:
        """Everything that did not pass; stops at a test in error, which ends a transaction."""
        seen: list[Seen] = []
        for test in tests:
            try:
                failures, should_warn, should_error = self._sandbox.query(verdict_sql(test))[1][0]
            except SandboxError as error:
                seen.append(Seen(test.rule_id, "error", None, _first_line(error)))
                return seen
            outcome = verdict(test.severity, should_warn, should_error)
            if outcome != "pass":
                rows, problem = int(failures or 0), ""
                if self._shown_rows is not None:
                    problem = self._shown_rows.problem(test, outcome, rows)
                seen.append(Seen(test.rule_id, outcome, rows, not_shown=problem))
        return seen


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
