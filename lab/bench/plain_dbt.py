"""The contract as a dbt project of the plain kind: one stock test per rule, no macro of ours.

What dbt has a test for (not null, unique, relationships) is that test; every other rule is a singular test with
its SQL. Nothing is built: the tests read the tables of the warehouse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbp.contracts.model import Contract, Rule
from mbp.quality.compiled_tests import query_of

SOURCE = "marts"
NAME = "plain"
REF = re.compile(r"ref\('(\w+)'\)")


def stock_test(rule: Rule) -> dict[str, Any] | None:
    """The rule as one of dbt's own tests; None when dbt has none for it."""
    arguments: dict[str, Any] = {}
    kinds = {"not_null": "not_null", "unique": "unique", "foreign_key": "relationships"}
    kind = kinds.get(rule.family)
    if kind is None or not rule.column:
        return None
    if kind == "relationships":
        parent = REF.fullmatch(str(rule.arguments["to"]))
        if parent is None:
            return None
        to = f"source('{SOURCE}', '{parent[1]}')"
        arguments = {"arguments": {"to": to, "field": rule.arguments["field"]}}
    return {kind: {"name": rule.id, **arguments}}


def write(
    folder: Path, contract: Contract, queries: Mapping[str, str], database: str | None = None
) -> tuple[str, ...]:
    """Writes the project; returns the rules that it has as SQL.

    Args:
        database: of the tables, where a connection sees several.

    Raises:
        MbpError: a rule without compiled SQL.
    """
    tests: dict[str, list[dict[str, Any]]] = {}
    as_sql: list[str] = []
    (folder / "tests").mkdir(parents=True)
    for rule in contract.rules:
        stock = stock_test(rule)
        if stock is not None:
            tests.setdefault(str(rule.column), []).append(stock)
            continue
        as_sql.append(rule.id)
        text = f"{{% raw %}}{query_of(rule, queries)}{{% endraw %}}\n"
        (folder / "tests" / f"{rule.id}.sql").write_text(text, encoding="utf-8")
    parents = {
        parent[1]
        for rule in contract.rules
        if rule.family == "foreign_key" and (parent := REF.fullmatch(str(rule.arguments["to"])))
    }
    columns = [{"name": name, "data_tests": listed} for name, listed in tests.items()]
    tables: list[dict[str, Any]] = [{"name": contract.dataset, "columns": columns}]
    tables += [{"name": name} for name in sorted(parents - {contract.dataset})]
    source = {"name": SOURCE, "schema": SOURCE, "tables": tables}
    if database:
        source["database"] = database
    documents: dict[str, Any] = {
        "dbt_project.yml": {
            "name": NAME,
            "version": "1.0.0",
            "config-version": 2,
            "profile": "mbp",
            "flags": {"send_anonymous_usage_stats": False},
        },
        "models/sources.yml": {"version": 2, "sources": [source]},
    }
    for name, document in documents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(document, indent=1), encoding="utf-8")
    return tuple(as_sql)


def results(target: Path) -> dict[str, tuple[str, float]]:
    """Name of each node of the last run -> pass, fail, warn, error, skipped or success, and its seconds.

    Raises:
        OSError: dbt left no results.
    """
    listed = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {
        entry["unique_id"].split(".")[2]: (str(entry["status"]), float(entry["execution_time"]))
        for entry in listed
    }


def by_rule(target: Path, rules: Mapping[str, tuple[str, float]]) -> dict[str, tuple[str, float]]:
    """Of a run of our own project: the results of the tests that carry a rule, by the rule."""
    nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    carried = {
        node["name"]: (node["config"].get("meta") or {}).get("rule_id")
        for node in nodes.values()
        if node["resource_type"] == "test"
    }
    return {str(carried[name]): result for name, result in rules.items() if carried.get(name)}
