"""The contract as a plain dbt project: every rule once, in dbt's own words where it has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bench import plain_dbt
from lab.bench.tools import look, quotes_contract
from mbp.core.errors import MbpError


def test_every_rule_stands_in_it_once(project_root: Path, tmp_path: Path) -> None:
    contract = quotes_contract(project_root)
    queries = {rule.id: f"select '{{{{ {rule.id} }}}}'" for rule in contract.rules}
    as_sql = plain_dbt.write(tmp_path / "plain", contract, queries)
    sources = json.loads((tmp_path / "plain" / "models" / "sources.yml").read_text("utf-8"))
    quotes, markets = sources["sources"][0]["tables"]
    stock = {
        test[kind]["name"]: kind
        for column in quotes["columns"]
        for test in column["data_tests"]
        for kind in test
    }
    files = {
        path.stem: path.read_text("utf-8") for path in (tmp_path / "plain" / "tests").iterdir()
    }
    assert sorted([*stock, *files]) == sorted(rule.id for rule in contract.rules)
    assert tuple(sorted(files)) == tuple(sorted(as_sql))
    assert stock["mbp_quotes_fk"] == "relationships"
    assert stock["mbp_quotes_quote_id_unique"] == "unique"
    assert markets == {"name": "mbp_markets"}
    # The SQL of a rule is taken as it is, whatever dbt would make of its braces.
    assert files["twap_bound"] == "{% raw %}select '{{ twap_bound }}'{% endraw %}\n"


def test_a_rule_without_sql_is_refused(project_root: Path, tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="no test carries the rule"):
        plain_dbt.write(tmp_path / "plain", quotes_contract(project_root), {})


def test_an_unknown_tool_is_refused(project_root: Path) -> None:
    with pytest.raises(MbpError, match="unknown tool 'other'"):
        look("other", {"root": str(project_root)})


def test_skipped_and_broken_tests_keep_their_word(tmp_path: Path) -> None:
    listed = [
        {"unique_id": f"test.mbp.{name}.abc", "status": status, "execution_time": 0.5}
        for name, status in (("a", "pass"), ("b", "error"), ("c", "skipped"))
    ]
    rules = {"a": {"meta": {"rule_id": "r"}}, "b": {"meta": {}}, "c": {"meta": {"rule_id": "s"}}}
    nodes = {
        name: {"name": name, "resource_type": "test", "config": config}
        for name, config in rules.items()
    }
    (tmp_path / "run_results.json").write_text(json.dumps({"results": listed}), "utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}), "utf-8")
    told = plain_dbt.results(tmp_path)
    assert told == {"a": ("pass", 0.5), "b": ("error", 0.5), "c": ("skipped", 0.5)}
    assert plain_dbt.by_rule(tmp_path, told) == {"r": ("pass", 0.5), "s": ("skipped", 0.5)}
