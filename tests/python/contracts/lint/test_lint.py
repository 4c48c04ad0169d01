"""Lint is quiet on the contracts as committed, and tells each code where that code is broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.contracts.lint import lint
from mbp.contracts.lint.catalogue import groups, rules
from mbp.contracts.lint.explain import explanation
from mbp.contracts.lint.runner import checked_codes
from mbp.core.errors import EXIT_FINDINGS, EXIT_PASS, MbpError
from mbp.core.reporting.output_forms import FORMATS, written
from tests.python.contracts.lint.places import MARKETS, QUOTES, TODAY
from tests.python.contracts.lint.spoiled import EDITS, SPOILED, spoil

# What no change of a file brings about: it stands for a refusal that lint does not know yet.
UNPROVOKED = {"A106-038"}
WHOLE_FILE = {"YAML-003", "A106-001", "A106-036", "A89-002"}


@pytest.fixture
def root(project_root: Path, tmp_path: Path) -> Path:
    for part in ("contracts", "models/marts/mbp", "tests/dbt/singular"):
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
    assert len(found.checked) == 7


def test_every_code_is_checked_and_has_a_case_that_breaks_it() -> None:
    assert set(rules()) == checked_codes()
    assert set(rules()) == EDITS.keys() | SPOILED.keys() | UNPROVOKED
    assert {code.partition("-")[0] for code in rules()} == set(groups())


@pytest.mark.parametrize("code", [*EDITS, *SPOILED])
def test_a_broken_code_is_told_with_its_place(
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
    assert found.failed == any(one.severity == "error" for one in found.findings)


def test_a_refusal_that_lint_has_no_code_for_is_an_error_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_root: Path) -> None:
        raise MbpError("something new", path=MARKETS, line=3, cure="mend it")

    monkeypatch.setattr("mbp.contracts.lint.runner.load_contracts", refuse)

    found = lint(root, TODAY)

    assert [
        (one.code, one.path, one.line) for one in found.findings if one.severity == "error"
    ] == [("A106-038", MARKETS, 3)]


def test_one_broken_file_does_not_hide_the_others(root: Path) -> None:
    spoil(root, "YAML-001")
    path = root / QUOTES
    path.write_text(path.read_text(encoding="utf-8").replace("status: active", "status: draft"))

    codes = {(one.path, one.code) for one in lint(root, TODAY).findings}

    assert {(MARKETS, "YAML-001"), (QUOTES, "A106-007")} <= codes


def test_nothing_to_lint_is_no_pass(root: Path) -> None:
    shutil.rmtree(root / "contracts/a106")
    with pytest.raises(MbpError, match="nothing to lint"):
        lint(root, TODAY)


def test_a_path_that_is_no_contract_is_refused(root: Path) -> None:
    with pytest.raises(MbpError, match="not a file that lint looks at"):
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
        assert all(f"  {word}" in told for word in ("what", "why", "cure"))


def test_the_command_explains_a_code_in_any_case() -> None:
    cli.register()
    result = CliRunner().invoke(cli.app, ["contracts", "explain", "a106-007"])
    assert result.exit_code == EXIT_PASS
    assert result.stdout == explanation(rules()["A106-007"]) + "\n"
