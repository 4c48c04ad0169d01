"""A key of the standard is enforced, words for people, or refused: never silently ignored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mbp.contracts.compatibility.standard import STANDARD
from mbp.contracts.contract_faults import HOUSE, refused
from mbp.contracts.lint.runner import lint
from tests.python.contracts.lint.places import QUOTES, TODAY
from tests.python.contracts.lint.spoiled import column

Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("element", HOUSE)
def test_each_key_of_the_standard_has_one_place(element: str) -> None:
    house = HOUSE[element]
    assert house.enforced | house.words <= STANDARD[element].judged
    assert not house.enforced & house.words
    assert not (house.enforced | house.words) & refused(element)


def table(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["schema"][0]
    return found


@pytest.mark.parametrize(
    ("key", "edit"),
    [
        (
            "relationships",
            lambda one: table(one).update(
                relationships=[{"from": "mbp_quotes.market_id", "to": "mbp_markets.market_id"}]
            ),
        ),
        ("physicalName", lambda one: column(one, "market_id").update(physicalName="market")),
        ("partitioned", lambda one: column(one, "market_id").update(partitioned=True)),
        ("encryptedName", lambda one: column(one, "market_id").update(encryptedName="sealed")),
        ("valueExt", lambda one: one["slaProperties"][0].update(valueExt=9)),
        ("slaDefaultElement", lambda one: one.update(slaDefaultElement="mbp_quotes.quoted_at")),
        (
            "properties",
            lambda one: column(one, "market_id").update(
                logicalType="object",
                properties=[{"name": "owner_email", "logicalType": "string", "required": True}],
            ),
        ),
    ],
)
def test_what_nothing_enforces_is_an_error_that_names_the_key(
    project_root: Path, tmp_path: Path, key: str, edit: Edit
) -> None:
    for part in ("contracts", "models/marts/mbp", "tests/dbt/generic"):
        shutil.copytree(project_root / part, tmp_path / part)
    yaml = YAML()
    document = yaml.load(tmp_path / QUOTES)
    edit(document)
    yaml.dump(document, tmp_path / QUOTES)
    found = [one for one in lint(tmp_path, TODAY).findings if one.code == "A106-044"]
    assert [(one.severity, one.message) for one in found] == [
        ("error", f"nothing enforces {key!r}")
    ]
    assert found[0].line
