"""The generated files: what stands in them, when they are stale, and that writing is all or nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts_project import MARKETS, QUOTES, Project

from lab.simulate.schema import KEYS
from mbp.contracts import all_rules, load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering import render as rendering
from mbp.contracts.rendering.code_owners import CODE_OWNERS
from mbp.contracts.rendering.yaml_text import yaml_text
from mbp.core.errors import MbpError
from mbp.core.files import write_stale

MODEL = "models/marts/mbp/mbp_quotes.sql"


def dbt_properties(project: Project, file: str) -> Any:
    """The rendered file as dbt reads it: YAML 1.1."""
    return yaml.safe_load(rendering.rendered(project.root)[file])


def models(project: Project) -> dict[str, Any]:
    found = dbt_properties(project, rendering.MODELS_FILE)["models"]
    return {model["name"]: model for model in found}


def test_every_rule_is_one_test_with_its_meta(project: Project) -> None:
    rules = {rule.id: rule for rule in all_rules(load_contracts(project.root))}
    nightly = load_policy(project.root).nightly
    assert {"cdc_no_loss", "cdc_order"} <= nightly.keys()
    rendered: dict[str, Any] = {}
    for model in models(project).values():
        for holder in (model, *model["columns"]):
            for test in holder.get("data_tests", []):
                ((name, body),) = test.items()
                assert body["name"] not in rendered
                rendered[body["name"]] = (name, body["config"], body.get("arguments", {}))

    assert rendered.keys() == rules.keys()
    for rule_id, (name, config, arguments) in rendered.items():
        rule = rules[rule_id]
        assert (name, arguments) == (rule.test, rule.arguments)
        assert config["severity"] == {"error": "error", "warning": "warn"}[rule.severity]
        cadence = ["nightly"] if rule.family in nightly else []
        assert config["tags"] == ["a89", rule.family, *cadence]
        expected = {
            "rule_id": rule_id,
            "dataset": rule.dataset,
            "family": rule.family,
        }
        assert config["meta"] == expected


def test_models_are_public_typed_and_keyed(project: Project) -> None:
    found = models(project)
    assert list(found) == [contract.dataset for contract in load_contracts(project.root)]
    for model in found.values():
        assert model["config"]["access"] == "public"
        assert model["config"]["contract"] == {"enforced": True}
        assert model["config"]["tags"] == ["a106", "a87"]
        assert model["description"].startswith("One row per ")
    assert found["mbp_abuse_events"]["config"]["group"] == "sec"
    assert found["mbp_markets"]["constraints"] == [
        {"type": "primary_key", "columns": ["market_id"]}
    ]
    # Incremental: no index that refuses delete and insert of one key in one transaction.
    assert "constraints" not in found["mbp_quotes"]

    columns = {column["name"]: column for column in found["mbp_markets"]["columns"]}
    assert columns["opened_at"]["constraints"] == [{"type": "not_null"}]
    assert "constraints" not in columns["closed_at"]
    price = next(c for c in found["mbp_quotes"]["columns"] if c["name"] == "price")
    assert price["data_type"] == "decimal(18,8)"
    assert price["config"]["meta"] == {"classification": "public", "unit": "probability"}
    assert price["description"] == "{{ doc('mbp_quotes__price') }}"


def test_source_freshness_is_the_promise_and_its_half(project: Project) -> None:
    (source,) = dbt_properties(project, rendering.SOURCES_FILE)["sources"]
    freshness = {table["name"]: table["config"]["freshness"] for table in source["tables"]}
    expected = {
        "abuse_events": {
            "warn_after": {"count": 84, "period": "hour"},
            "error_after": {"count": 7, "period": "day"},
        },
        "markets": {
            "warn_after": {"count": 1, "period": "day"},
            "error_after": {"count": 2, "period": "day"},
        },
        "quotes": {
            "warn_after": {"count": 15, "period": "minute"},
            "error_after": {"count": 30, "period": "minute"},
        },
        "resolutions": {
            "warn_after": {"count": 84, "period": "hour"},
            "error_after": {"count": 7, "period": "day"},
        },
    }
    assert {table: freshness[table] for table in expected} == expected
    assert freshness.keys() == {table.partition(".")[2] for table in KEYS}
    quotes = next(table for table in source["tables"] if table["name"] == "quotes")
    assert [column["name"] for column in quotes["columns"]][-5:] == [
        "__op",
        "__deleted",
        "__source_ts_ms",
        "__source_lsn",
        "_loaded_at",
    ]


def test_a_promise_without_a_half_in_minutes_is_refused(project: Project) -> None:
    project.replace(QUOTES, "value: 30\n    unit: m", "value: 15\n    unit: m")
    with pytest.raises(MbpError, match="has no half in whole minutes") as caught:
        rendering.rendered(project.root)
    assert caught.value.line == project.line(QUOTES, "- id: freshness")


def test_every_column_has_a_doc_block(project: Project) -> None:
    text = rendering.rendered(project.root)[rendering.COLUMNS_FILE]
    for contract in load_contracts(project.root):
        for column in contract.columns:
            assert f"{{% docs {contract.dataset}__{column.name} %}}\n{column.description}" in text
    assert "probability of the outcome. Unit: probability. Public:" in text


def test_the_table_of_rules_has_every_rule_and_its_columns_hold(project: Project) -> None:
    text = rendering.rendered(project.root)[rendering.RULES_FILE]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(all_rules(load_contracts(project.root)))
    # A bar inside a pattern must not open a cell.
    assert {row.replace("\\|", "").count("|") for row in rows} == {8}


def test_rendering_twice_changes_nothing(project: Project) -> None:
    assert len(write_stale(project.root, rendering.rendered(project.root))) > 0
    assert write_stale(project.root, rendering.rendered(project.root)) == []
    assert rendering.stale_files(project.root) == []


@pytest.mark.parametrize(
    "file",
    [
        rendering.MODELS_FILE,
        rendering.SOURCES_FILE,
        rendering.FAMILIES_FILE,
        rendering.COLUMNS_FILE,
        rendering.RULES_FILE,
        CODE_OWNERS,
    ],
)
def test_a_stale_or_missing_file_is_named(project: Project, file: str) -> None:
    assert project.run("render").exit_code == 0
    assert project.run("render", "--check").exit_code == 0

    for spoil in (_edit, Path.unlink):
        spoil(project.root / file)
        before = _contents(project.root)
        result = project.run("render", "--check")
        assert result.exit_code == 1
        assert result.stdout.splitlines()[:-1] == [
            f"{file}: error stale: out of date. Fix: run `mbp contracts render` and commit the result"
        ]
        assert _contents(project.root) == before
        assert project.run("render").exit_code == 0
        assert project.run("render", "--check").exit_code == 0


def test_a_changed_contract_makes_files_stale(project: Project) -> None:
    write_stale(project.root, rendering.rendered(project.root))
    project.replace(MARKETS, "The question as traders read it.", "The question, word by word.")
    assert rendering.stale_files(project.root) == [rendering.COLUMNS_FILE]


def test_nothing_is_written_when_a_contract_is_wrong(project: Project) -> None:
    project.replace(QUOTES, "logicalType: number", "logicalType: numbr")
    before = _contents(project.root)
    assert project.run("render").exit_code == 2
    assert _contents(project.root) == before


def test_a_contract_column_that_the_model_lacks(project: Project) -> None:
    project.replace(MODEL, "        depth_2pct,\n", "")
    with pytest.raises(MbpError) as caught:
        rendering.rendered(project.root)
    assert f"the column 'depth_2pct' is not in the model {MODEL}" in str(caught.value)
    assert (caught.value.path, caught.value.line) == (
        QUOTES,
        project.line(QUOTES, "- name: depth_2"),
    )


def test_a_renamed_column_is_guessed(project: Project) -> None:
    project.replace(MODEL, "        depth_2pct,\n", "        depth_2_pct,\n")
    with pytest.raises(MbpError, match="did you mean 'depth_2_pct'"):
        rendering.rendered(project.root)


def test_a_model_column_that_the_contract_lacks(project: Project) -> None:
    project.replace(
        MODEL, "        depth_2pct,\n", "        depth_2pct,\n        round(price, 2) as cents,\n"
    )
    with pytest.raises(
        MbpError, match=f"the column 'cents' is not in the contract {QUOTES}"
    ) as caught:
        rendering.rendered(project.root)
    assert (caught.value.path, caught.value.line) == (MODEL, project.line(MODEL, "as cents"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("final as (", "last as (", "no CTE `final as"),
        (
            "        price,\n",
            "        price,\n        price,\n",
            "the column 'price' appears twice",
        ),
        ("        price,\n", "        *,\n", "expected a column with a name"),
    ],
)
def test_a_model_that_cannot_be_compared(project: Project, old: str, new: str, says: str) -> None:
    project.replace(MODEL, old, new)
    with pytest.raises(MbpError, match=says) as caught:
        rendering.rendered(project.root)
    assert caught.value.path == MODEL


def test_a_contract_without_a_model(project: Project) -> None:
    (project.root / MODEL).unlink()
    with pytest.raises(
        MbpError, match=f"no model, seed or snapshot mbp_quotes. Fix: write {MODEL}"
    ):
        rendering.rendered(project.root)


def test_text_survives_yaml_of_either_version() -> None:
    texts = [
        "no",
        "1.0",
        "a: b",
        "# c",
        "-",
        "",
        "2026-01-01",
        'say "x"',
        "a\nb",
        "^[a-z]{2}\\d$",
        "é",
        "null.",
    ]
    value = {
        "list": texts,
        "deep": [{"texts": texts, "nested": {"empty": [], "none": None}}],
        "no": 1,
    }
    assert yaml.safe_load(yaml_text(value)) == value


def test_the_committed_files_are_those_of_the_committed_contracts(project_root: Path) -> None:
    assert rendering.stale_files(project_root) == []


def _edit(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def _contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_nightly_rule_is_listed_with_its_reason(project: Project) -> None:
    nightly = load_policy(project.root).nightly
    (_, listed) = rendering.rendered(project.root)[rendering.RULES_FILE].split("## Nightly only")
    for rule in all_rules(load_contracts(project.root)):
        assert (f"`{rule.id}`" in listed) == (rule.family in nightly), rule.id
    for reason in nightly.values():
        assert reason in listed


def test_staging_of_telemetry_has_the_columns_that_are_rendered(project_root: Path) -> None:
    file = rendering.TELEMETRY_STAGING_FILE
    rendered = yaml.safe_load(rendering.rendered(project_root)[file])["models"]
    assert {model["name"] for model in rendered} == {
        path.stem for path in (project_root / file).parent.glob("*.sql")
    }
    for model in rendered:
        sql = (project_root / file).parent / f"{model['name']}.sql"
        selected = re.findall(r" as (\w+),?\n", sql.read_text("utf-8"))
        assert sorted(selected) == sorted(column["name"] for column in model["columns"])


def test_macros_say_what_the_sheet_and_the_policy_say(project: Project) -> None:
    sheet = project.root / "contracts/a87/measurement_sheet.yaml"
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(
        text.replace("    window: 5m\n    every: 5m", "    window: 10m\n    every: 2m", 1)
    )
    policy = project.root / "contracts/a89/policy.yaml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("    judges: row\n", "", 1))

    files = rendering.rendered(project.root)

    assert "'dec_p95': {'window': 10, 'every': 2}" in files[rendering.SHEET_FILE]
    assert "'unique'" not in files[rendering.FAMILIES_FILE]
    assert "'not_null'" in files[rendering.FAMILIES_FILE]


def test_no_model_of_a_kpi_has_minutes_of_its_own(project_root: Path) -> None:
    """They would stay when the sheet changes."""
    own = re.compile(r"window_(?:number|start)\([^()]*, *\d+\)|interval '\d+ (?:hours|minutes)'")
    for path in sorted((project_root / "models/marts/reliability").glob("kpi_*.sql")):
        assert not own.findall(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize(
    ("condition", "reads"),
    [
        ("where quotes.quoted_at > markets.closed_at", {"since": ["closed_at"], "value": []}),
        # Another order, another instant than that of the slice, and what is computed: any change matters to all rows.
        ("where quotes.quoted_at < markets.opened_at", {"since": [], "value": ["opened_at"]}),
        ("where quotes.seen_at > markets.closed_at", {"since": [], "value": ["closed_at"]}),
        (
            "where quotes.quoted_at > markets.closed_at - interval '1 hour'",
            {"since": [], "value": ["closed_at"]},
        ),
        (
            "where quotes.quoted_at > markets.closed_at\n    and markets.closed_at is not null",
            {"since": [], "value": ["closed_at"]},
        ),
        ("where quotes.depth < markets.min_liquidity", {"since": [], "value": ["min_liquidity"]}),
        ("where quotes.volume > 0", {"since": [], "value": []}),
    ],
)
def test_a_change_concerns_the_rows_that_the_rule_says(
    tmp_path: Path, condition: str, reads: dict[str, list[str]]
) -> None:
    folder = tmp_path / "tests" / "dbt" / "generic"
    folder.mkdir(parents=True)
    (folder / "whole.sql").write_text("select * from {{ model }} where markets.status = 'open'")
    (folder / "one.sql").write_text(
        "with quotes as (select * from {{ rows_to_check(model, ref('mbp_markets'), instant='quoted_at') }}),\n"
        "markets as (\n\n    select * from {{ ref('mbp_markets') }}\n\n)\n"
        "select\n    quotes.*,\n    markets.closed_at\nfrom quotes\n"
        f"inner join markets on quotes.market_id = markets.market_id\n{condition}\n"
    )
    (found,) = rendering.slice_readers(tmp_path).values()
    assert {use: found[use] for use in ("since", "value")} == reads
