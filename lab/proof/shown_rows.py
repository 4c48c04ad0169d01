"""Whether a rule that fails can show its rows, by the code of `mbp quality failures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.proof.sandbox import Sandbox, SandboxError
from mbp.contracts import Contract
from mbp.core.errors import MbpError
from mbp.quality.compiled_tests import CompiledTest
from mbp.quality.rule_findings import collect
from mbp.quality.samples import classes_of, sample_query, take_sample


class _Reader:
    connection = None  # no session that could say what a query calls

    def __init__(self, sandbox: Sandbox, engine: str) -> None:
        self._sandbox, self.engine = sandbox, engine

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            return self._sandbox.query(sql, params)
        except SandboxError as error:
            raise MbpError(str(error), fix="correct the test") from error


class ShownRows:
    """The rows of failing rules in a sandbox.

    Args:
        manifest: of the project that the sandbox holds.
    """

    def __init__(
        self, sandbox: Sandbox, manifest: Mapping[str, Any], contracts: Sequence[Contract]
    ) -> None:
        engine = str(manifest["metadata"]["adapter_type"])
        self._reader, self._manifest = _Reader(sandbox, engine), manifest
        self._classes = classes_of(contracts, manifest, self._reader)

    def problem(self, test: CompiledTest, outcome: str, failures: int) -> str:
        """Why no row can be shown; empty when one was."""
        result = {"unique_id": test.unique_id, "status": outcome, "failures": failures}
        results: dict[str, Any] = {"args": {"which": "test"}, "results": [result]}
        (finding,) = collect(self._manifest, results, [])
        sample = take_sample(
            sample_query(finding, self._manifest, {}),
            self._reader,
            limit=1,
            classes=self._classes,
        )
        return sample.note
