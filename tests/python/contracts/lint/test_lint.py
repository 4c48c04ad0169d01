"""Lint is quiet on the contracts as committed, and tells each code where that code is broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from lab.simulate.schema import CONTRACTS
from mbp.cli import main as cli
from mbp.contracts import load_contracts
from mbp.contracts.contract_file import READING_CHECKS
from mbp.contracts.contract_loading import CODES as LOADING_CODES
from mbp.contracts.fault_codes import explanation, groups, rules
from mbp.contracts.lint.checks import CONTRACT_CHECKS, PROJECT_CHECKS
from mbp.contracts.lint.runner import lint
from mbp.contracts.policy import load_policy
from mbp.contracts.semantics import CODES as SEMANTIC_CODES
from mbp.contracts.semantics import load_semantics
from mbp.core.errors import EXIT_FINDINGS, EXIT_PASS, MbpError
from mbp.core.reporting.output_forms import FORMATS, written
from tests.python.contracts.lint.places import MARKETS, QUOTES, TODAY
from tests.python.contracts.lint.spoiled import EDITS, SPOILED, spoil

# Codes of what loading refuses.
REFUSED = LOADING_CODES.union(SEMANTIC_CODES, *READING_CHECKS.values())
# A contract is loaded without its usage and with some kinds of service level, not without purpose or any level.
PARTLY_REFUSED = {"A106-011", "A106-019"}
WHOLE_FILE = {"YAML-003", "A106-001", "A106-036", "A89-002"}


@pytest.fixture
def root(project_root: Path, tmp_path: Path) -> Path:
    for part in ("contracts", "models/marts/mbp", "tests/dbt/generic"):
        shutil.copytree(project_root / part, tmp_path / part)
    (tmp_path / "dbt_project.yml").write_text("name: mbp\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def before(project_root: Path) -> set[tuple[str, str, str]]:
    """What lint tells of the contracts as committed."""
    return {(one.code, one.subject, one.message) for one in lint(project_root, TODAY).findings}


def test_the_contracts_as_committed_have_no_error_and_no_warning(root: Path) -> None:
    found = lint(root, TODAY)

    assert not [one for one in found.findings if one.severity != "note"]
    assert {one.code for one in found.findings} == {"TRAP-001", "TRAP-007"}
    # With the glossary, the metrics and the policy.
    assert len(found.checked) == len(CONTRACTS) + 3


def test_what_loading_refuses_is_an_error_of_lint() -> None:
    assert {rules()[code].severity for code in REFUSED} == {"error"}


def test_every_code_is_checked_and_has_a_case_that_breaks_it() -> None:
    checked = REFUSED.union(*CONTRACT_CHECKS.values(), *PROJECT_CHECKS.values())
    assert set(rules()) == checked
    assert set(rules()) == EDITS.keys() | SPOILED.keys()
    assert {code.partition("-")[0] for code in rules()} == set(groups())


@pytest.mark.parametrize("code", [*EDITS, *SPOILED])
def test_a_broken_code_has_its_place_and_loading_refuses_what_the_reader_finds(
    root: Path, code: str, before: set[tuple[str, str, str]]
) -> None:
    file = spoil(root, code)

    found = lint(root, TODAY)

    new = [
        one
        for one in found.findings
        if one.code == code and (one.code, one.subject, one.message) not in before
    ]
    assert new, f"only {sorted({one.code for one in found.findings})}"
    assert all(one.severity == rules()[code].severity and one.fix for one in new)
    if code not in WHOLE_FILE:
        assert all(one.line for one in new)
        assert file in {one.path for one in new} or code in (
            "A106-002",
            "A89-005",
            "A87-006",
            "A87-007",
        )
    errors = [one for one in found.findings if one.severity == "error"]
    assert found.failed == bool(errors)

    refused = REFUSED - PARTLY_REFUSED
    raised = refusal_of_loading(root)
    assert raised or not [one for one in errors if one.code in refused]
    assert raised or code not in refused
    # Lint prints what loading says.
    assert raised is None or raised in {str(one.as_error) for one in errors}


def refusal_of_loading(root: Path) -> str | None:
    try:
        load_semantics(root, load_contracts(root), load_policy(root))
    except MbpError as error:
        return str(error)
    return None


def test_three_faults_of_one_file_are_three_findings(root: Path) -> None:
    for code in ("A106-020", "A89-026", "A108-002"):
        spoil(root, code)

    found = {one.code: one for one in lint(root, TODAY).findings if one.severity == "error"}

    # Without the service level that was renamed, one kind is missing.
    assert found.keys() == {"A106-020", "A89-026", "A108-002", "A106-019"}
    assert {one.path for one in found.values()} == {MARKETS}
    assert len({one.line for one in found.values()}) == 4
    with pytest.raises(MbpError, match="unknown service level 'retension'"):
        load_contracts(root)


def test_one_broken_file_does_not_hide_the_others(root: Path) -> None:
    spoil(root, "YAML-001")
    path = root / QUOTES
    path.write_text(path.read_text(encoding="utf-8").replace("status: active", "status: draft"))

    codes = {(one.path, one.code) for one in lint(root, TODAY).findings}

    assert {(MARKETS, "YAML-001"), (QUOTES, "A106-007")} <= codes


def test_nothing_to_lint_is_no_pass(root: Path) -> None:
    shutil.rmtree(root / "contracts/a106")
    with pytest.raises(MbpError, match="nothing to check"):
        lint(root, TODAY)


def test_a_path_that_is_no_contract_is_refused(root: Path) -> None:
    with pytest.raises(MbpError, match="not a file that lint reads"):
        lint(root, TODAY, [root / "contracts/a106/mbp_other.odcs.yaml"])


def test_the_command_tells_one_file_in_every_form(root: Path) -> None:
    spoil(root, "A106-007")
    cli.register()
    environment = {"MBP_PROJECT_DIR": str(root)}
    for form in FORMATS:
        arguments = ["contracts", "lint", str(root / MARKETS), "--format", form]
        result = CliRunner().invoke(cli.app, arguments, env=environment)
        assert result.exit_code == EXIT_FINDINGS
        assert "A106-007" in result.stdout
        other = [*arguments[:2], str(root / QUOTES), *arguments[3:]]
        assert CliRunner().invoke(cli.app, other, env=environment).exit_code == EXIT_PASS


def test_the_forms_say_the_same(root: Path) -> None:
    spoil(root, "A106-007")
    found = lint(root, TODAY)

    told = json.loads(written(found, "json"))
    sarif = json.loads(written(found, "sarif"))["runs"][0]
    junit = ElementTree.fromstring(written(found, "junit"))  # noqa: S314 (our own text)

    assert told["passed"] is False
    assert told["counts"]["error"] == 1
    (error,) = [one for one in sarif["results"] if one["level"] == "error"]
    assert error["ruleId"] == "A106-007"
    assert sarif["tool"]["driver"]["rules"][error["ruleIndex"]]["id"] == "A106-007"
    place = error["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == MARKETS
    assert place["region"]["startLine"] > 1
    assert [one.get("type") for one in junit.iter("failure")] == ["A106-007"]
    assert junit.get("failures") == "1"


def test_every_code_is_explained() -> None:
    for code, rule in rules().items():
        told = explanation(rule)
        assert code in told
        assert all(f"  {word}" in told for word in ("what", "why", "fix"))


def test_the_command_explains_a_code_in_any_case() -> None:
    cli.register()
    result = CliRunner().invoke(cli.app, ["contracts", "explain", "a106-007"])
    assert result.exit_code == EXIT_PASS
    assert result.stdout == explanation(rules()["A106-007"]) + "\n"
