"""A verdict follows from the content beside it: for every measurement contents that pass, and each way not to."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.gates import load_gate
from mbp.core.errors import MbpError
from mbp.runs import envelope
from mbp.runs.derivation import DERIVATIONS
from mbp.runs.derive import derive
from tests.python.measured import BILL, BILL_PATH, NO_TESTS, kind, log_source, names, passed

Change = Callable[[dict[str, Any]], object]
FILES = {BILL_PATH: BILL}


def put(*path: Any, value: Any) -> Change:
    """Sets a value inside of the content."""

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


PROBLEM = {"path": "a.py", "line": 1, "message": "B602", "fix": "fix"}
BROKEN = {
    "rule_id": "twap_reconciles",
    "dataset": "mbp_quotes",
    "severity": "error",
    "verdict": "fail",
    "node": "test.mbp.twap_reconciles",
}
FAILED = [PROBLEM]
# (measurement, what is changed, the verdict that follows)
CASES: list[tuple[str, Change, str]] = [
    ("build", put("models_failed", value=1), "not_measured"),  # and still `passed`
    ("build", lambda c: c.update(models_failed=1, passed=False), "fail"),
    ("build", put("passed", value=False), "not_measured"),
    ("build", put("passed", value=1), "not_measured"),
    ("build", put("models_built", value=0), "not_measured"),
    ("build", put("models_built", value=True), "not_measured"),
    ("build", put("models_built", value=-1), "not_measured"),
    ("build", put("rows", value={}), "not_measured"),
    ("build", put("rows", "mbp_quotes", value=None), "not_measured"),
    ("build", lambda c: c.update(rows={"a": None}, passed=False), "fail"),
    ("build", lambda c: c.update(empty=["mbp_quotes"], passed=False), "fail"),
    ("build", put("selected", value=True), "not_measured"),
    ("proof", put("complete", value=False), "not_measured"),
    ("proof", put("rules", value=[]), "not_measured"),
    ("proof", put("untested", value=["a"]), "fail"),
    ("proof", put("clean_sample", value=["a"]), "fail"),
    ("build", put("tests", value={"A89": NO_TESTS, "other": NO_TESTS}), "not_measured"),
    ("build", put("tests", "A89", "fail", value=1), "not_measured"),  # counted, and not listed
    ("build", put("tests", "A89", "not_run", value=1), "not_measured"),
    ("build", lambda c: c["findings"].append(BROKEN), "not_measured"),  # listed, and not counted
    (
        "build",
        lambda c: (
            c["findings"].append(BROKEN),
            c["tests"]["A89"].update(fail=1),
            c.update(passed=False),
        ),
        "fail",
    ),
    ("dbt_tests", put("value", value=None), "not_measured"),
    ("dbt_tests", put("samples", value=0), "not_measured"),
    ("dbt_tests", put("value", value=1), "not_measured"),
    ("dbt_tests", put("evidence", value=[{"node": "a", "status": "error"}]), "not_measured"),
    ("dbt_tests", lambda c: c.update(value=1, evidence=[{"node": "a", "status": "fail"}]), "fail"),
    ("dbt_tests", put("minimum_samples", value=500), "not_measured"),
    ("schema_drift", put("samples", value=0), "not_measured"),
    ("schema_drift", put("evidence", value=None), "not_measured"),
    ("schema_drift", put("evidence", "drift", value=[1]), "not_measured"),
    ("schema_drift", lambda c: c.update(value=1, evidence={"drift": [1], "changes": []}), "fail"),
    ("data_contract_break", put("evidence", value=[]), "not_measured"),
    ("data_contract_break", put("samples", value=1), "not_measured"),
    ("data_contract_break", put("evidence", 0, "verdict", value="fail"), "not_measured"),
    (
        "data_contract_break",
        lambda c: (
            c.update(value=1),
            c["evidence"][0].update(verdict="not_measured", reason_unmeasured="skipped"),
        ),
        "fail",
    ),
    (
        "data_contract_break",  # under a waiver, so that the KPI has a value: still no pass
        lambda c: (
            c.update(samples=1),
            c["evidence"][0].update(verdict="not_measured", reason_unmeasured="source"),
        ),
        "not_measured",
    ),
    (
        "data_contract_break",
        lambda c: (
            [c.update(value=None, samples=0)]
            + [
                one.update(verdict="not_measured", reason_unmeasured="source")
                for one in c["evidence"]
            ]
        ),
        "not_measured",
    ),
    ("hook_coverage", put("evidence", 0, "gaps", value=["never"]), "not_measured"),
    (
        "hook_coverage",
        lambda c: (c["evidence"][0].update(gaps=["never"]), c.update(value=50.0)),
        "fail",
    ),
    ("hook_coverage", lambda c: c.update(evidence=[], samples=0), "not_measured"),
    ("exercises", put("exercises", value=[]), "not_measured"),
    ("exercises", put("defined", value=[]), "not_measured"),
    ("exercises", put("defined", value=["cdc_delay", "dec_latency"]), "fail"),
    ("exercises", put("exercises", 0, "passed", value=False), "fail"),
    ("exercises", put("exercises", 0, "problems", value=["late"]), "not_measured"),
    ("exercises", put("exercises", 0, "passed", value="yes"), "not_measured"),
    ("gate_M2", put("results", 0, "verdict", value="fail"), "not_measured"),
    ("gate_M2", put("results", value=[]), "not_measured"),
    ("gate_M2", put("counts", "pass", value=2), "not_measured"),
    ("gate_M2", put("verdict", value="no-go"), "not_measured"),
    (
        "gate_M2",
        lambda c: c.update(
            verdict="no-go",
            counts={"pass": 0, "waived": 0, "fail": 1, "not_measured": 0},
            results=[{"id": "a", "verdict": "fail"}],
        ),
        "fail",
    ),
    ("security_sbom", put("looked_at", "components", value=0), "not_measured"),
    ("security_sbom", put("looked_at", "components", value=3), "not_measured"),
    ("security_sbom", put("looked_at", "installed_packages", value=0), "not_measured"),
    ("security_sbom", put("file", value="target/evidence/none.cdx.json"), "not_measured"),
    ("security_sbom", put("sha256", value="0" * 64), "not_measured"),
    ("security_secrets", put("looked_at", "new", value=1), "not_measured"),
    ("security_secrets", put("looked_at", "plugins", value=0), "not_measured"),
    ("security_audit", lambda c: c["looked_at"].update(accepted=0), "not_measured"),
    ("security_licences", put("looked_at", "with_a_licence", value=199), "not_measured"),
    ("security_least_privilege", put("looked_at", "roles", value=0), "not_measured"),
    ("privacy_scan", put("sources", value={}), "not_measured"),
    ("privacy_scan", put("sources", "log_samples", value=log_source(looked_at=0)), "not_measured"),
    ("privacy_scan", put("sources", "log_samples", "problem", value="refused"), "not_measured"),
    ("privacy_scan", put("allowed", value=[]), "not_measured"),
    ("privacy_scan", put("problems", value=["an allowance has expired"]), "fail"),
    ("privacy_scan", put("findings", value=[{"place": "a:1", "kind": "cpf"}]), "not_measured"),
    (
        "privacy_scan",
        lambda c: c.update(findings=[{"place": "a:1", "kind": "cpf"}], by_kind={"cpf": 1}),
        "fail",
    ),
    ("privacy_measure", put("corpora", value=[]), "not_measured"),
    ("privacy_measure", put("corpora", 0, "kinds", value={}), "not_measured"),
    ("privacy_measure", put("corpora", 0, "lines", value=0), "not_measured"),
    ("privacy_measure", put("corpora", 0, "kinds", "cpf", "found", value=90), "not_measured"),
    (
        "privacy_measure",
        lambda c: (c["corpora"][0]["kinds"].update(cpf=kind(100, 90, 1)), c.update(missed=["cpf"])),
        "fail",
    ),
    ("privacy_measure", put("corpora", 0, "kinds", "cpf", value=kind(100, 90, 1)), "not_measured"),
    ("documents", put("documents", value=[]), "not_measured"),
    ("documents", put("documents", 0, "findings", value=[1]), "not_measured"),
    ("documents", put("stale", value=["docs/adr/README.md"]), "not_measured"),
    ("documents", put("findings", value=[{"path": "docs/a.md", "message": "old"}]), "fail"),
]
for _name in names():
    if _name.startswith("security_"):
        CASES += [
            (_name, put("problems", value=FAILED), "not_measured"),  # and still says pass
            (_name, lambda c: c.update(problems=FAILED, verdict="fail"), "fail"),
            (_name, put("reason", value="the tool gave no report"), "not_measured"),
            (_name, put("looked_at", value={}), "not_measured"),
            (_name, put("part", value="other"), "not_measured"),
        ]


def test_every_measurement_of_the_gate_has_a_derivation_and_cases(project_root: Path) -> None:
    gate = load_gate(project_root, "M2")
    demanded = {str(one.source["evidence"]) for one in gate.checks if "evidence" in one.source}
    known = {"gate_M2" if name == "gate_" else name for name in DERIVATIONS}
    assert demanded <= known
    assert {name for name, _, _ in CASES} == known == set(names())


@pytest.mark.parametrize("name", names())
def test_a_content_that_passes(name: str) -> None:
    assert derive(name, passed(name), FILES.get) == derive("documents", passed("documents"))


@pytest.mark.parametrize(
    ("name", "change", "verdict"), CASES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CASES)]
)
def test_a_verdict_follows_from_its_content(name: str, change: Change, verdict: str) -> None:
    content = passed(name)
    change(content)
    found = derive(name, content, FILES.get)
    assert found.verdict == verdict
    assert found.reason


@pytest.mark.parametrize("name", names())
def test_nothing_left_out_is_a_pass(name: str) -> None:
    """Each key of a content that its verdict rests on: without it, nothing passes."""
    content = passed(name)
    changed = {key for key in content if derive(name, _without(content, key), FILES.get).reason}
    assert changed
    for key in changed:
        assert derive(name, _without(content, key), FILES.get).verdict == "not_measured"
    for wrong in ({}, dict.fromkeys(content), {key: [] for key in content}):
        assert derive(name, wrong, FILES.get).verdict != "pass"


def _without(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in deepcopy(content).items() if name != key}


def test_an_unknown_measurement_is_not_measured() -> None:
    found = derive("everything_is_fine", {"passed": True})
    assert (found.verdict, "unknown" in found.reason) == ("not_measured", True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    (tmp_path / BILL_PATH).parent.mkdir(parents=True)
    (tmp_path / BILL_PATH).write_bytes(BILL)
    return tmp_path


@pytest.mark.parametrize("name", names())
def test_a_file_whose_verdict_does_not_follow_is_refused(root: Path, name: str) -> None:
    path = envelope.write(envelope.begin(root), name, summary="", content=passed(name))
    document = json.loads(path.read_text())
    assert document["verdict"] == envelope.read(root, name).verdict == "pass"
    for told in ("fail", "not_measured"):
        path.write_text(json.dumps({**document, "verdict": told}))
        with pytest.raises(MbpError, match=f"says {told}, its content gives pass"):
            envelope.read(root, name)
    path.write_text(json.dumps({**document, "content": {}}))
    with pytest.raises(MbpError, match="says pass, its content gives not_measured"):
        envelope.read(root, name)


def test_another_bill_of_materials_than_the_examined_one(root: Path) -> None:
    begun = envelope.begin(root)
    envelope.write(begun, "security_sbom", summary="", content=passed("security_sbom"))
    for content in (b"{}", b'{"components": []}', BILL + b" "):
        (root / BILL_PATH).write_bytes(content)
        with pytest.raises(MbpError, match="not the one that was examined"):
            envelope.read(root, "security_sbom")
    (root / BILL_PATH).unlink()
    with pytest.raises(MbpError, match="is not there"):
        envelope.read(root, "security_sbom")
