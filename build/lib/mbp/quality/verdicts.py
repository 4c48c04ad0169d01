"""dbt's rule for turning a test's rows into a verdict, for tests that are run without dbt."""

from __future__ import annotations

from typing import Any

from mbp.core.verdict import Verdict
from mbp.quality.compiled_project import CompiledTest


def verdict_sql(test: CompiledTest) -> str:
    """One row: failures (number), should_warn and should_error (booleans), as dbt asks for it."""
    return (
        "select\n"
        f"    {test.fail_calculation} as failures,\n"
        f"    {test.fail_calculation} {test.warn_if} as should_warn,\n"
        f"    {test.fail_calculation} {test.error_if} as should_error\n"
        f"from (\n{test.sql}\n) as dbt_internal_test"
    )


def verdict(severity: str, should_warn: Any, should_error: Any) -> Verdict:
    """The outcome of a test of `severity` ('error' or 'warn').

    Like dbt: a test of severity error fails on `should_error`, else it warns on `should_warn`; a
    test of severity warn can only warn. A null (a sum over no rows) is no failure.
    """
    if severity == "error" and bool(should_error):
        return Verdict.FAIL
    return Verdict.WARN if bool(should_warn) else Verdict.PASS
