"""Rules for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from mbp.contracts.model import Rule


def rule_record(rule: Rule) -> dict[str, Any]:
    """The rule as JSON values."""
    record = asdict(rule)
    record["columns"] = list(rule.columns)
    record["arguments"] = {
        key: format(value, "f") if isinstance(value, Decimal) else value
        for key, value in rule.arguments.items()
    }
    record["expires"] = rule.expires.isoformat() if rule.expires else None
    return record


def rules_text(rules: Sequence[Rule]) -> str:
    """One line per rule: id, severity, owner, family, what must hold."""
    widths = [
        max(len(str(cell)) for cell in column)
        for column in zip(*(_cells(rule) for rule in rules), strict=True)
    ]
    lines = [
        "  ".join(
            [cell.ljust(width) for cell, width in zip(_cells(rule), widths, strict=True)]
            + [rule.description]
        )
        for rule in rules
    ]
    return "\n".join([*lines, f"{len(rules)} rules"])


def _cells(rule: Rule) -> tuple[str, ...]:
    return rule.id, rule.severity, rule.owner, rule.family
