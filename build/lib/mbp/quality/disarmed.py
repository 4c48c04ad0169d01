"""Whether the test of a rule still enforces it, as dbt configured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

# dbt's defaults for a test; rules are rendered without these keys.
ARMED: Mapping[str, object] = {
    "error_if": "!= 0",
    "warn_if": "!= 0",
    "fail_calc": "count(*)",
    "limit": None,
    "where": None,
    "enabled": True,
}


class RuleLike(Protocol):
    """The part of a contract rule that findings need (mbp.contracts.rules.Rule has it)."""

    @property
    def id(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...


def disarming(config: Mapping[str, Any], rule: RuleLike) -> str | None:
    """What makes the test weaker than its rule, wherever it was configured; None when nothing does."""
    wanted = {**ARMED, "severity": "warn" if rule.severity == "warning" else "error"}
    for key, value in wanted.items():
        setting = config.get(key, value)
        same = str(setting).lower() == str(value).lower() if key == "severity" else setting == value
        if not same:
            return (
                f"the test does not enforce the rule: `{key}` is {setting!r}, the contract means"
                f" {value!r}. Fix: remove `{key}` from dbt_project.yml or from the test"
            )
    return None
