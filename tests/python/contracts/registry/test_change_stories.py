"""Each kind of change from edit to merged and published: doing what the messages say ends green, by every check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import duckdb
import pytest

from mbp.contracts.compatibility.diff import diff
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.published_versions import newest, published
from mbp.contracts.registry.life import enter
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.proof import provable, prove
from mbp.contracts.registry.registry_check import check_all
from mbp.contracts.registry.version_check import Checked
from mbp.core.errors import MbpError
from mbp.warehouse.connection import DuckdbWarehouse
from registry.conftest import TODAY, Registry, column

Edit = Callable[[dict[str, Any]], None]
DATASET = "mbp_quotes"
RULE = {
    "id": "mbp_quotes_depth_of_priced",
    "type": "custom",
    "engine": "dbt",
    "dimension": "consistency",
    "severity": "error",
    "description": "A price has a depth.",
    "implementation": {"test": "dbt_utils.expression_is_true", "arguments": {"expression": "true"}},
    "customProperties": [
        {"property": "owner", "value": "DATA"},
        {"property": "family", "value": "consistency"},
        {"property": "reason", "value": "Without a depth a price says little."},
        {"property": "columns", "value": []},
    ],
}


def quality(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["schema"][0]["quality"]
    return found


def rule_added(document: dict[str, Any]) -> None:
    quality(document).append(copy.deepcopy(RULE))


def rule_tightened(document: dict[str, Any]) -> None:
    next(one for one in quality(document) if "mustBeGreaterOrEqualTo" in one)[
        "mustBeGreaterOrEqualTo"
    ] = 200


def rule_loosened(document: dict[str, Any]) -> None:
    next(one for one in quality(document) if "mustBeGreaterOrEqualTo" in one)[
        "mustBeGreaterOrEqualTo"
    ] = 10


def column_added(document: dict[str, Any], *, required: bool) -> None:
    twin = {
        **column(document, "volume"),
        "name": "fee",
        "description": "Fee.",
        "required": required,
    }
    document["schema"][0]["properties"].append(twin)


def without_rules_of(document: dict[str, Any], name: str) -> None:
    document["schema"][0]["quality"] = [one for one in quality(document) if name not in str(one)]


def column_removed(document: dict[str, Any]) -> None:
    properties = document["schema"][0]["properties"]
    properties.remove(column(document, "twap_5m"))
    without_rules_of(document, "twap_5m")


def column_renamed(document: dict[str, Any]) -> None:
    column(document, "twap_5m")["name"] = "average_price"
    without_rules_of(document, "twap_5m")


def type_widened(document: dict[str, Any]) -> None:
    column(document, "volume")["physicalType"] = "decimal(20,8)"


def classification_lowered(document: dict[str, Any]) -> None:
    column(document, "market_id")["classification"] = "public"


def service_level_loosened(document: dict[str, Any]) -> None:
    level = next(one for one in document["slaProperties"] if one["property"] == "freshness")
    level["value"] = level["value"] * 10


def required_column_added(document: dict[str, Any]) -> None:
    column_added(document, required=True)


def optional_column_added(document: dict[str, Any]) -> None:
    column_added(document, required=False)


KINDS = (
    rule_added,
    rule_tightened,
    rule_loosened,
    optional_column_added,
    required_column_added,
    column_removed,
    column_renamed,
    type_widened,
    classification_lowered,
    service_level_loosened,
)


def errors(checked: Checked) -> list[str]:
    return [finding.code for finding in checked.findings if finding.severity == "error"]


def except_all(registry: Registry, checked: Checked) -> None:
    """An exception for each change that blocks, as the message asks for."""
    entries = [
        f"  - {{code: '{one.fingerprint}', object: {DATASET}, owner: DATA,"
        " reason: The readers agreed., until: 2026-12-20}"
        for one in {one.fingerprint: one for one in checked.judged if one.blocks}.values()
    ]
    for one in checked.judged:
        if one.blocks:
            assert any(one.fingerprint in finding.fix for finding in checked.findings)
    if entries:
        registry.write("exceptions.yaml", "version: 1\nexceptions:\n" + "\n".join(entries) + "\n")


def green_everywhere(registry: Registry) -> None:
    assert errors(registry.check()) == []
    assert errors(registry.check(ref="HEAD")) == []


@pytest.mark.parametrize("edit", KINDS, ids=lambda edit: edit.__name__)
def test_an_agreed_change_ends_green(registry: Registry, edit: Edit) -> None:
    registry.publish()
    registry.git("add", "-A")
    registry.git("commit", "-qm", "published")
    registry.edit(edit)
    first = registry.check()
    assert errors(first), "a change without a new version passed"
    registry.edit(lambda _: None, version=first.least)
    except_all(registry, registry.check())
    green_everywhere(registry)
    with_publication(registry)


def with_publication(registry: Registry) -> None:
    """Published, merged, and looked at again the day after."""
    registry.publish()
    green_everywhere(registry)
    registry.git("add", "-A")
    registry.git("commit", "-qm", "merged")
    green_everywhere(registry)


def test_an_exception_that_served_an_older_version_is_unused(registry: Registry) -> None:
    registry.publish()
    registry.edit(column_removed)
    registry.edit(lambda _: None, version=registry.check().least)
    except_all(registry, registry.check())
    registry.publish()
    registry.edit(lambda document: document["description"].update(usage="Other."), version="2.0.1")
    registry.publish()
    assert set(errors(registry.check())) == {"exception_unused"}


@pytest.mark.parametrize("rows", [3, 0])
def test_a_proven_rule_ends_green_without_an_exception(registry: Registry, rows: int) -> None:
    registry.publish()
    registry.git("add", "-A")
    registry.git("commit", "-qm", "published")
    registry.edit(rule_added)
    if not rows:
        with pytest.raises(MbpError, match="has no rows, so they prove nothing"):
            prove_rule(registry, rows, "select 1 where false")
        return
    prove_rule(registry, rows, "select 1 where false")
    least = registry.check().least
    assert least == "1.1.0"
    registry.edit(lambda _: None, version=least)
    green_everywhere(registry)
    with_publication(registry)


def test_a_rule_that_rows_break_is_not_proven(registry: Registry) -> None:
    registry.publish()
    registry.edit(rule_added)
    with pytest.raises(MbpError, match="2 of 3 rows would be invalid"):
        prove_rule(registry, 3, "select quote_id from marts.mbp_quotes where quote_id <> 'q0'")


def test_a_rule_without_a_test_is_not_proven(registry: Registry) -> None:
    registry.publish()
    registry.edit(rule_added)
    with pytest.raises(MbpError, match="no test carries the rule"):
        prove_rule(registry, 3, None)


def test_the_proof_of_a_rule_ends_when_the_rule_changes(registry: Registry) -> None:
    registry.publish()
    registry.edit(rule_added)
    prove_rule(registry, 3, "select 1 where false")
    assert "quality_rule_added" not in errors(registry.check())
    registry.edit(lambda document: quality(document)[-1]["implementation"].update(test="another"))
    with pytest.raises(MbpError, match="proves another query"):
        registry.check()


def prove_rule(registry: Registry, rows: int, query: str | None) -> None:
    file = registry.root / f"history_{rows}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts; create table marts.mbp_quotes (quote_id varchar)")
        for number in range(rows):
            connection.execute("insert into marts.mbp_quotes values (?)", [f"q{number}"])
    head = newest(published(registry.root, DATASET))
    assert head is not None
    contract = working(registry.root)[DATASET]
    (change,) = (one for one in diff(head.contract, contract) if provable(one))
    queries = {} if query is None else {RULE["id"]: query}
    table = tables(contract, "x")[DATASET]
    with DuckdbWarehouse(file, read_only=True) as warehouse:
        prove(registry.root, DATASET, change, table, warehouse, queries)  # type: ignore[arg-type]


def test_a_new_dataset_is_published_with_its_contract(registry: Registry) -> None:
    assert errors(registry.check()) == ["not_published"]
    registry.publish()
    assert errors(registry.check()) == []


def test_a_dataset_may_go_when_each_of_its_versions_is_retired(registry: Registry) -> None:
    root, gone = registry.root, "mbp_resolutions"
    for name in working(root):
        registry.publish(name)
    registry.git("add", "-A")
    registry.git("commit", "-qm", "published")
    for one in published(root, gone):
        version = str(one.version)
        enter(root, gone, version, "deprecated", today=TODAY, by="DATA", sunset=date(2026, 12, 1))
        enter(root, gone, version, "retired", today=date(2026, 12, 2), by="DATA")
    (root / "contracts" / "a106" / f"{gone}.odcs.yaml").unlink()
    for ref in (None, "HEAD"):
        assert [one.dataset for one in check_all(root, [], ref, today=TODAY) if errors(one)] == []
