"""The id of a derived rule never moves: what is published keeps it, a newcomer takes another one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import Rule, all_rules, load_contracts
from mbp.contracts.published_versions import newest, published
from mbp.contracts.rule_ids import LONGEST, with_ids
from mbp.core.errors import MbpError
from registry.conftest import Registry, column

REFERENCE = [{"to": "mbp_markets.market_id"}]


def foreign_keys(registry: Registry) -> dict[str, str | None]:
    rules = all_rules(load_contracts(registry.root))
    return {
        rule.id: rule.column
        for rule in rules
        if rule.family == "foreign_key" and rule.dataset == "mbp_quotes"
    }


def second_before_the_first(document: dict[str, Any]) -> None:
    column(document, "quote_id")["relationships"] = REFERENCE


def without_the_first(document: dict[str, Any]) -> None:
    del column(document, "market_id")["relationships"]


def test_a_second_foreign_key_renames_no_first_one(registry: Registry) -> None:
    registry.publish()
    before = foreign_keys(registry)
    registry.edit(second_before_the_first)
    after = foreign_keys(registry)
    assert after == {**before, "mbp_quotes_quote_id_fk": "quote_id"}


def test_ids_of_versions_that_recorded_none_stay(registry: Registry, project_root: Path) -> None:
    """The published versions of the project call the first foreign key `<dataset>_fk`."""
    name = "contracts/registry/mbp_quotes"
    shutil.copytree(project_root / name, registry.root / name)
    registry.edit(second_before_the_first)
    assert foreign_keys(registry) == {
        "mbp_quotes_fk": "market_id",
        "mbp_quotes_quote_id_fk": "quote_id",
    }
    registry.edit(without_the_first)
    assert foreign_keys(registry) == {"mbp_quotes_quote_id_fk": "quote_id"}


def test_a_version_records_its_ids_and_those_of_its_parent(registry: Registry) -> None:
    registry.publish()
    registry.edit(lambda document: document.update(tags=["more"]), version="1.0.1")
    registry.publish()
    head = newest(published(registry.root, "mbp_quotes"))
    assert head is not None
    ids = head.document["rule_ids"]
    assert ids["price not_null"] == "mbp_quotes_price_not_null"
    assert ids["cdc_order"] == "mbp_quotes_cdc_order"


def test_a_newcomer_takes_another_id(registry: Registry) -> None:
    """An explicit rule has the id that the column's rule would get."""

    def explicit(document: dict[str, Any]) -> None:
        document["schema"][0]["quality"][0]["id"] = "mbp_quotes_volume_unique"

    registry.edit(explicit)
    registry.publish()
    registry.edit(lambda document: column(document, "volume").update(unique=True))
    rules = {rule.id: rule for rule in all_rules(load_contracts(registry.root))}
    assert rules["mbp_quotes_volume_unique"].origin == "explicit"
    assert rules["mbp_quotes_volume_unique_2"].column == "volume"


def test_an_explicit_rule_cannot_take_a_published_id(registry: Registry) -> None:
    registry.publish()

    def explicit(document: dict[str, Any]) -> None:
        document["schema"][0]["quality"][0]["id"] = "mbp_quotes_volume_not_null"

    registry.edit(explicit)
    with pytest.raises(MbpError, match="duplicate rule id 'mbp_quotes_volume_not_null'"):
        load_contracts(registry.root)


def rule(dataset: str, name: str, family: str = "not_null") -> Rule:
    texts = dict.fromkeys(("dimension", "owner", "description", "test", "path"), "")
    return Rule(
        id=f"{dataset}_{name}_{family}",
        dataset=dataset,
        family=family,
        severity="error",
        reason=None,
        expires=None,
        columns=(name,),
        arguments={},
        origin="derived",
        line=None,
        column=name,
        **texts,
    )


def test_of_two_datasets_that_are_published_the_first_one_keeps_the_id() -> None:
    first, second = rule("a", "b_c"), rule("a_b", "c")
    assert first.id == second.id
    known = {("a_b", "c not_null"): "a_b_c_not_null"}
    assert [one.id for one in with_ids([first, second], [], known)] == [
        "a_b_c_not_null_2",
        "a_b_c_not_null",
    ]


def test_ids_fit_the_names_of_postgres_and_stay_apart() -> None:
    long = [rule("d" * 40, "c" * 30 + end) for end in ("a", "b")]
    ids = [one.id for one in with_ids(long, [], {})]
    assert [len(one) for one in ids] == [LONGEST, LONGEST]
    assert len(set(ids)) == 2
    assert ids == [one.id for one in with_ids([replace(one) for one in long], [], {})]
