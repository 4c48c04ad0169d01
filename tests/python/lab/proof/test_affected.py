"""What a pull request proves: the rules that a change can have disarmed, all when that is unknown, none aloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lab.proof import affected
from lab.proof.affected import affected_rules
from lab.proof.compiled_project import CompiledModel, CompiledProject, RawRelation
from mbp.cli import main as cli
from mbp.contracts.model import Rule
from mbp.core.errors import MbpError
from mbp.quality.compiled_tests import CompiledTest
from mbp.runs.preflight import install_packages
from tests.python.release.ci.sandbox import PARTS, Sandbox, make_sandbox


def edit(root: Path, name: str, find: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert text.count(find) >= 1, (name, find)
    (root / name).write_text(text.replace(find, new, 1), encoding="utf-8")


# -- In a real repository, by the command of the pull request


@pytest.fixture
def repository(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    for name in ("MBP_RAW", "MBP_NOW", "DBT_PROFILES_DIR", "DBT_TARGET"):
        monkeypatch.delenv(name, raising=False)
    sandbox = make_sandbox(project_root, tmp_path, (*PARTS, "src/mbp/quality", "requirements.lock"))
    monkeypatch.setenv("MBP_PROJECT_DIR", str(sandbox.root))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    install_packages(sandbox.root)
    yield sandbox


DISARMED = (
    "twap_reconciles",
    "mbp_quotes_cdc_order",
    "mbp_quotes_fk",
    "resolution_sla",
    "mbp_abuse_events_kind_accepted_values",
)


def disarm(root: Path) -> None:
    """Of each rule above what a hurried person would write."""
    generic = "tests/dbt/generic"
    reconciles = "{{ twap_differs() }}"
    edit(
        root,
        f"{generic}/twap_reconciles.sql",
        reconciles,
        f"{reconciles} and twap_5m is null",
    )
    edit(
        root,
        f"{generic}/cdc_order.sql",
        "having count(*) > 1\n\n{%",
        "having count(*) > 1 and max(log_position) is null\n\n{%",
    )
    parent = "and parent.{{ field }} is null"
    edit(
        root,
        "macros/tests/failing_rows.sql",
        parent,
        f"{parent} and child.{{{{ field }}}} is null",
    )
    sla = f"{generic}/resolution_sla.sql"
    edit(root, sla, "with resolutions", "{{ config(error_if='> 1000') }}\nwith resolutions")
    kinds = "kind in ('burst', 'rate_limit', 'manipulation')"
    edit(
        root,
        "models/marts/mbp/mbp_abuse_events.sql",
        "not is_deleted",
        f"not is_deleted and {kinds}",
    )


def prove(*options: str) -> Result:
    cli.register()
    return CliRunner().invoke(cli.app, ["quality", "prove", *options])


def test_disarmed_rules_cannot_merge(repository: Sandbox, tmp_path: Path) -> None:
    """Rules of the project, a macro, a model, a `where` and a threshold: the command names each."""
    root = repository.root
    base = repository.git("rev-parse", "HEAD")
    disarm(root)
    repository.commit()
    result = prove("--changed-since", base)
    assert result.exit_code == 1, result.output
    for rule in DISARMED:
        assert f"{rule}\n    missed         {rule}" in result.stdout, rule
    assert "NOT PROVED" in result.stdout
    assert not (tmp_path / "target/evidence/proof.json").exists()


def test_a_harmless_change_of_a_model_proves_what_reads_it(repository: Sandbox) -> None:
    root = repository.root
    edit(root, "models/marts/mbp/mbp_abuse_events.sql", "select", "select -- the same rows\n")
    result = prove("--changed-since", "HEAD", "--format", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    proved = set(document["affected"]["rules"])
    assert {one["fault"] for one in document["outcomes"]} == {"(clean sample)", *proved}
    assert document["affected"]["compared"] == document["rules"] > len(proved) > 0
    assert all(name.startswith(("mbp_abuse_events", "abuse")) for name in proved), proved


# -- What counts as a change, without dbt: the base is handed in


def rule(name: str, **changes: Any) -> Rule:
    return Rule(
        **{
            "id": name,
            "dataset": "mbp_quotes",
            "family": "unique",
            "dimension": "uniqueness",
            "severity": "error",
            "owner": "DATA",
            "description": "no two",
            "reason": None,
            "expires": None,
            "columns": ("quote_id",),
            "test": "unique",
            "arguments": {"limit": 1},
            "origin": "explicit",
            "path": "contracts/a106/mbp_quotes.odcs.yaml",
            "line": 3,
            **changes,
        }
    )


def check_of(name: str, *upstream: str) -> CompiledTest:
    return CompiledTest(
        f"test.{name}",
        name,
        name,
        "select 1",
        "count(*)",
        "!= 0",
        "!= 0",
        "error",
        frozenset(upstream),
    )


RAW = RawRelation("seed.raw", "mbp.quotes", "raw", "raw.quotes", (("quote_id", "text"),))
VIEW = CompiledModel("model.v", "v", "s", "s.v", "select 2", True, frozenset({"seed.raw"}))
TABLE = CompiledModel(
    "model.t", "t", "s", "s.t", "select 3", False, frozenset({"seed.raw", "model.v"})
)
PROJECT = CompiledProject(
    "mbp",
    (RAW,),
    (VIEW, TABLE),
    (
        check_of("a", "model.t", "model.v", "seed.raw"),
        check_of("b", "model.v", "seed.raw"),
        check_of("c"),
    ),
)
RULES = [rule("a"), rule("b"), rule("c")]


def first(**changes: Any) -> CompiledProject:
    one, *others = PROJECT.tests
    return replace(PROJECT, tests=(replace(one, **changes), *others))


CHANGES: dict[str, tuple[CompiledProject, list[Rule], set[str]]] = {
    "nothing": (PROJECT, RULES, set()),
    "SQL of the test": (first(sql="select 1 where x is null"), RULES, {"a"}),
    "threshold": (first(error_if="> 1000"), RULES, {"a"}),
    "severity": (first(severity="warn"), RULES, {"a"}),
    "what is counted": (first(fail_calculation="0"), RULES, {"a"}),
    "the rule is another one": (first(rule_id="other"), RULES, {"a"}),
    "the test is gone": (replace(PROJECT, tests=PROJECT.tests[1:]), RULES, {"a"}),
    "a second test": (
        replace(PROJECT, tests=(*PROJECT.tests, replace(PROJECT.tests[0], unique_id="z"))),
        RULES,
        {"a"},
    ),
    "table upstream": (
        replace(PROJECT, models=(VIEW, replace(TABLE, sql="select 3 where false"))),
        RULES,
        {"a"},
    ),
    "view upstream of a table": (
        replace(PROJECT, models=(replace(VIEW, sql="select 2 where false"), TABLE)),
        RULES,
        {"a", "b"},
    ),
    "type of a raw column": (
        replace(PROJECT, raw=(replace(RAW, columns=(("quote_id", "integer"),)),)),
        RULES,
        {"a", "b"},
    ),
    "contract": (PROJECT, [RULES[0], rule("b", arguments={"limit": 2}), RULES[2]], {"b"}),
    "severity in the contract": (PROJECT, [rule("a", severity="warning"), *RULES[1:]], {"a"}),
    "a new rule": (PROJECT, [*RULES, rule("d")], {"d"}),
    "a rule is gone": (PROJECT, RULES[1:], set()),
    "the place in the contract": (PROJECT, [rule("a", line=9, path="x"), *RULES[1:]], set()),
}


@pytest.fixture
def at_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A small repository with a proof in it, whose base compiles to PROJECT."""
    sandbox = make_sandbox(affected_files(tmp_path), tmp_path, ("src", "lab", *FILES))
    monkeypatch.setattr(affected, "_compiled_at", lambda *_: (PROJECT, RULES))
    yield sandbox


FILES = ("requirements.lock", "tests/dbt/fixtures/expected_findings.yaml", "docs/page.md")


def affected_files(folder: Path) -> Path:
    root = folder / "small"
    modules = {
        "src/mbp/__init__.py": "",
        "src/mbp/quality/__init__.py": "",
        "lab/proof/prove.py": "def f():\n    from mbp.quality import inner\n",
        "src/mbp/quality/inner.py": "import mbp.faults\n",
        "src/mbp/faults.py": "",
        "src/mbp/elsewhere.py": "",
    }
    for name, text in {**modules, **dict.fromkeys(FILES, "x\n")}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_affected(at_base: Sandbox, name: str) -> None:
    project, rules, wanted = CHANGES[name]
    found = affected_rules(at_base.root, "HEAD", project, rules, "duckdb")
    assert (set(found.rules), found.everything, found.compared) == (wanted, False, len(rules))
    assert found.reason.startswith("no rule's SQL") is not bool(wanted)


@pytest.mark.parametrize(
    ("base", "told"), [("no-such-ref", "git rev-parse"), ("--all", "no git ref")]
)
def test_an_unknown_base_is_an_error(at_base: Sandbox, base: str, told: str) -> None:
    with pytest.raises(MbpError, match=told):
        affected_rules(at_base.root, base, PROJECT, RULES, "duckdb")


def removed(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).unlink()


@pytest.mark.parametrize(
    ("change", "everything"),
    [
        (lambda root: edit(root, "src/mbp/faults.py", "", "weaker = 1\n"), True),
        (lambda root: edit(root, "src/mbp/quality/inner.py", "import", "# \nimport"), True),
        (lambda root: edit(root, "requirements.lock", "x", "y"), True),
        (lambda root: edit(root, "tests/dbt/fixtures/expected_findings.yaml", "x", "y"), True),
        (removed("src/mbp/elsewhere.py"), True),
        (removed("lab/proof/prove.py"), True),
        (lambda root: (root / "src/mbp/faults").mkdir() or edit_new(root), True),
        (lambda root: edit(root, "src/mbp/elsewhere.py", "", "x = 1\n"), False),
        (lambda root: edit(root, "docs/page.md", "x", "y"), False),
    ],
)
def test_a_change_of_the_proof_itself_proves_all(
    at_base: Sandbox, change: Callable[[Path], object], everything: bool
) -> None:
    change(at_base.root)
    found = affected_rules(at_base.root, "HEAD", PROJECT, RULES, "duckdb")
    assert found.everything is everything
    assert set(found.rules) == ({"a", "b", "c"} if everything else set())


def edit_new(root: Path) -> None:
    """A package that is imported in place of the module of its name."""
    (root / "src/mbp/faults/__init__.py").write_text("")
    (root / "src/mbp/faults.py").unlink()


def test_a_base_that_cannot_be_compiled_proves_all(
    at_base: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MbpError("dbt compile failed")

    monkeypatch.setattr(affected, "_compiled_at", broken)
    found = affected_rules(at_base.root, "HEAD", PROJECT, RULES, "duckdb")
    assert (found.rules, found.everything) == (("a", "b", "c"), True)
    assert "cannot be compiled to compare with: dbt compile failed" in found.reason
