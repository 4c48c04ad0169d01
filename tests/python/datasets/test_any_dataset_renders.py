"""A new contract is enough: everything between its log and its table follows, and nothing of a log without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mbp.contracts import load_contracts
from mbp.contracts.rendering.render import DATASETS_FILE, rendered
from mbp.ingest.cdc.change_shape import captured_tables
from mbp.ingest.cdc.market_source import setup_sql
from mbp.ingest.raw_tables import raw_tables
from tests.python.datasets.more_datasets import HOURS, NOTES, scratch


@pytest.fixture(scope="module")
def root(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield scratch(project_root, tmp_path_factory.mktemp("datasets") / "project")


@pytest.fixture(scope="module")
def files(root: Path) -> dict[str, str]:
    return rendered(root)


def test_a_contract_with_a_change_log_gives_all_that_lies_before_its_table(
    files: dict[str, str],
) -> None:
    staging = files["models/staging/mbp/stg_mbp__notes.sql"]
    assert "cast(quote_id as {{ type_string() }}) as quote_id" in staging
    assert "raw_log('mbp', 'notes')" in staging
    assert (
        "latest_change('stg_mbp__notes', 'note_id')"
        in files["models/intermediate/int_mbp__notes_latest.sql"]
    )
    assert "'dataset': 'mbp_notes', 'table': 'notes', 'key': 'note_id'" in files[DATASETS_FILE]
    for file in ("models/sources/_raw_mbp__sources.gen.yml", "seeds/sample/_sample__seeds.gen.yml"):
        assert "notes" in files[file]


def test_a_contract_without_one_is_a_model_with_rules_and_has_nothing_of_a_log(
    root: Path, files: dict[str, str]
) -> None:
    hours = next(one for one in load_contracts(root) if one.dataset == HOURS)
    families = {rule.family for rule in hours.rules}
    assert families == {"not_null", "unique", "foreign_key", "range"}
    assert f"name: {HOURS}" in files["models/marts/mbp/_mbp__models.gen.yml"]
    assert [name for name in files if "quote_hours" in name] == []
    assert "quote_hours" not in files[DATASETS_FILE].partition("change_logs")[2]


def test_a_computed_column_is_looked_for_in_no_log(root: Path, files: dict[str, str]) -> None:
    assert "body_letters" not in dict(raw_tables(root)["mbp.notes"])
    assert "body_letters" not in files["models/staging/mbp/stg_mbp__notes.sql"]
    models = YAML(typ="safe").load(files["models/marts/mbp/_mbp__models.gen.yml"])["models"]
    (notes,) = [one for one in models if one["name"] == NOTES]
    (letters,) = [one for one in notes["columns"] if one["name"] == "body_letters"]
    assert letters["config"]["meta"]["derived"] is True


def test_capture_takes_the_new_table_and_no_other(root: Path) -> None:
    assert "notes" in captured_tables(root)
    assert "quote_hours" not in captured_tables(root)
    assert any('"public"."notes"' in statement for statement in setup_sql(captured_tables(root)))


def test_each_foreign_key_is_called_after_its_column(root: Path) -> None:
    notes = next(one for one in load_contracts(root) if one.dataset == NOTES)
    references = {rule.id: rule.column for rule in notes.rules if rule.family == "foreign_key"}
    assert references == {
        "mbp_notes_market_id_fk": "market_id",
        "mbp_notes_quote_id_fk": "quote_id",
    }
