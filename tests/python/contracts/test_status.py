"""The matrix dataset x pack, the A87 files, and the list of rules."""

from __future__ import annotations

import json

import pytest
from contracts_project import ABUSE_EVENTS, MARKETS, QUOTES, Project

from mbp.contracts import load_contracts
from mbp.contracts.policy import POLICY
from mbp.contracts.semantics import GLOSSARY, METRICS

UNIT = "          - property: unit\n            value: shares\n"


def test_the_committed_contracts_are_complete(project: Project) -> None:
    result = project.run("status")
    assert result.exit_code == 0
    assert result.stdout.count("complete") == 3 * len(load_contracts(project.root))
    assert "incomplete" not in result.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "missing"),
    [
        (
            QUOTES,
            "status: active",
            "status: draft",
            "mbp_quotes A106: expected status active, found draft",
        ),
        (
            QUOTES,
            "property: retention\n    value: 5\n    unit: y",
            "property: availability\n    value: 99\n    unit: percent",
            "mbp_quotes A106: no service level 'retention'",
        ),
        (QUOTES, "domain: prediction-market\n", "", "mbp_quotes A106: the contract has no domain"),
        (
            QUOTES,
            UNIT,
            "",
            "mbp_quotes A87: mbp_quotes.volume: a column of type number has no unit",
        ),
        (
            QUOTES,
            "Shares traded at this quote. Zero when it only states a price.",
            "Volume.",
            "mbp_quotes A87: mbp_quotes.volume: the description 'Volume.' only repeats the name",
        ),
        (
            POLICY,
            "  - code: accepted_values\n    object: mbp_quotes\n",
            "  - code: length\n    object: mbp_quotes\n",
            "mbp_quotes A89: no rule of the family accepted_values",
        ),
        (
            POLICY,
            "exceptions:\n",
            "exceptions:\n  - {code: volume, object: mbp_quotes, owner: DATA, reason: none, until: 2099-12-31}\n",
            "mbp_quotes A89: volume of mbp_quotes: the exception excepts nothing",
        ),
    ],
)
def test_what_is_missing_is_named(
    project: Project, file: str, old: str, new: str, missing: str
) -> None:
    project.replace(file, old, new)
    result = project.run("status")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if "_incomplete" in line]
    assert line.startswith("contracts/a106/mbp_quotes.odcs.yaml: error a")
    assert line.endswith(f"_incomplete: {missing}")


def test_a_dataset_without_words_and_metrics_is_incomplete(project: Project) -> None:
    for file in (GLOSSARY, METRICS):
        text = project.text(file).replace("dataset: mbp_abuse_events", "dataset: mbp_markets")
        (project.root / file).write_text(text, encoding="utf-8")
    result = project.run("status", "--format", "json")
    record = json.loads(result.stdout)
    assert (result.exit_code, record["complete"]) == (1, False)
    assert [cell for cell in record["cells"] if not cell["complete"]] == [
        {
            "dataset": "mbp_abuse_events",
            "pack": "A87",
            "complete": False,
            "missing": [
                "no glossary term belongs to the dataset",
                "no business metric belongs to the dataset",
            ],
        }
    ]


def test_a_public_model_without_a_contract_is_incomplete(project: Project) -> None:
    (project.root / "models/marts/mbp/mbp_payouts.sql").write_text("select 1", encoding="utf-8")
    result = project.run("status")
    assert result.exit_code == 1
    for pack in ("A106", "A87", "A89"):
        assert f"mbp_payouts {pack}: the public model has no contract" in result.stdout


@pytest.mark.parametrize(
    "case",
    [
        (
            METRICS,
            "grain: market and day",
            "grian: market and day",
            "did you mean 'grain'?",
            "grian",
        ),
        (
            METRICS,
            "dataset: mbp_quotes",
            "dataset: mbp_quote",
            "traded_volume: unknown dataset 'mbp_quote'. Fix: did you mean 'mbp_quotes'?",
            "dataset: mbp_quote",
        ),
        (METRICS, "owner: PM", "owner: XX", "unknown owner 'XX'", "owner: XX"),
        (
            METRICS,
            "id: active_markets",
            "id: traded_volume",
            "is there twice",
            "id: traded_volume\n    name: Active",
        ),
        (METRICS, "unit: shares", "unit: ''", "metrics[0].unit: expected some text", "unit: ''"),
        (
            GLOSSARY,
            "dataset: mbp_markets",
            "dataset: mbp_market",
            "unknown dataset",
            "mbp_market\n",
        ),
        (
            GLOSSARY,
            "term: quote",
            "term: Market",
            "the term 'Market' is there twice",
            "term: Market",
        ),
        (GLOSSARY, "version: 1", "version: 2", "version: expected 1, found 2", "version: 2"),
    ],
)
def test_a_wrong_word_or_metric_is_refused(
    project: Project, case: tuple[str, str, str, str, str]
) -> None:
    file, old, new, says, at = case
    project.replace(file, old, new)
    result = project.run("status")
    assert result.exit_code == 2
    assert str(result.exception).startswith(f"{file}:{project.line(file, at)}: ")
    assert says in str(result.exception)


def test_a_missing_glossary_cannot_be_read(project: Project) -> None:
    (project.root / GLOSSARY).unlink()
    result = project.run("status")
    assert result.exit_code == 2
    assert str(result.exception).startswith(f"{GLOSSARY}: there is no such file. Fix: restore it")


def test_rules_are_listed_for_people_and_programs(project: Project) -> None:
    records = json.loads(project.run("rules", "--format", "json").stdout)
    by_id = {record["id"]: record for record in records}
    assert by_id["abuse_action"]["owner"] == "SEC"
    assert by_id["abuse_action"]["path"] == ABUSE_EVENTS
    assert by_id["abuse_action"]["line"] == project.line(ABUSE_EVENTS, "- id: abuse_action")
    lines = project.run("rules").stdout.splitlines()
    assert lines[-1] == f"{len(records)} rules"
    assert [line.split()[0] for line in lines[:-1]] == [record["id"] for record in records]


def test_rules_of_a_wrong_contract_are_not_listed(project: Project) -> None:
    project.replace(MARKETS, "kind: DataContract", "kind: DataContrct")
    result = project.run("rules")
    assert (result.exit_code, result.stdout) == (2, "")
