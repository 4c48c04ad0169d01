"""Rules of the tiny project."""

from __future__ import annotations

import pytest

from mbp.contracts.model import Rule


def rule(rule_id: str, column: str, family: str) -> Rule:
    return Rule(
        id=rule_id,
        dataset="mbp_quotes",
        family=family,
        dimension="completeness",
        severity="error",
        owner="DATA",
        description="what must hold",
        reason=None,
        expires=None,
        columns=(column,),
        test=family,
        arguments={},
        origin="derived",
        path="contracts/a106/mbp_quotes.odcs.yaml",
        line=1,
        column=column,
    )


@pytest.fixture
def contract_rules() -> list[Rule]:
    return [
        rule("mbp_quotes_price_not_null", "price", "not_null"),
        rule("mbp_quotes_quote_id_unique", "quote_id", "unique"),
    ]
