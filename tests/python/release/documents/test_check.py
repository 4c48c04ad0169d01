"""`mbp docs check`: every way in which a document can be wrong is one code, with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.release.documents.document_checks import DocumentReport, check_documents, judge
from mbp.release.documents.document_findings import RULES, NamedThings
from mbp.release.documents.markdown_body import Document
from mbp.runs import envelope
from tests.python.release.documents.conftest import TODAY, Found, Spoil

DECISION = "docs/adr/adr_001_dec_latency_slo.md"
OTHER = "docs/adr/adr_002_rule_based_resolution.md"
RUNBOOK = "docs/runbooks/cdc_lag.md"
PLAN = "docs/pre_ga_plan.md"
GENERATED = "DOC-025"

SPOILED = [
    (RUNBOOK, "---\nid: cdc_lag", "id: cdc_lag", "DOC-002", "no front matter"),
    (RUNBOOK, "status: active\n", "status: active\nstatus: draft\n", "DOC-002", "duplicate key"),
    (RUNBOOK, "date: 2026-11-25", "date: 2026-13-25", "DOC-010", "is not a day"),
    (RUNBOOK, "owners: [DATA]", "owner: [DATA]", "DOC-003", "unknown key 'owner'"),
    (RUNBOOK, "status: active", "status: accepted", "DOC-003", "expected one of"),
    (RUNBOOK, "owners: [DATA]", "owners: []", "DOC-003", "expected at least one entry"),
    (DECISION, "id: ADR-001", "id: ADR-1", "DOC-003", "expected text like"),
    (OTHER, "owners: [PM, SEC, DATA]", "owners: [PMO]", "DOC-008", "PMO does not exist"),
    (RUNBOOK, "watchers: [cdc_lag]", "watchers: [cdc_lags, cdc_lag]", "DOC-009", "cdc_lags does"),
    (RUNBOOK, "hooks: [cdc_delay]", "hooks: [cdc_delays, cdc_delay]", "DOC-009", "cdc_delays does"),
    (RUNBOOK, "  - cdc_unseen\n", "  - cdc_unseen\n  - cdc_gone\n", "DOC-009", "cdc_gone does"),
    (DECISION, "date: 2026-11-24", "date: '2026-11-31'", "DOC-010", "is not a day"),
    (DECISION, "date: 2026-11-24", "date: 2026-11-26", "DOC-010", "is in the future"),
    (RUNBOOK, "date: 2026-11-25", "date: 2026-01-25", "DOC-011", "due on 2026-07-24"),
    (PLAN, "date: 2026-11-25", "date: 2026-01-25", "DOC-011", "due on 2026-07-24"),
    (RUNBOOK, "hooks: [cdc_delay]", "hooks: []", "DOC-013", "cdc_delay of the hook cdc_delay"),
    (RUNBOOK, "watchers: [cdc_lag]", "watchers: []", "DOC-013", "watchers: cdc_lag of the hook"),
    (RUNBOOK, "owners: [DATA]", "owners: [SRE]", "DOC-013", "owners: DATA of the hook"),
    (RUNBOOK, "  - cdc_unseen\n", "", "DOC-013", "alarms: cdc_unseen of the alarms"),
    (RUNBOOK, "status: active", "status: draft", "DOC-013", "its status is draft"),
    (RUNBOOK, "hooks: [cdc_delay]", "hooks: [cdc_delay, drift]", "DOC-013", "the runbook of drift"),
    (RUNBOOK, "## Roll back\n", "## Undo\n", "DOC-014", "there is no section 'Roll back'"),
    (PLAN, "## Flags\n", "## Switches\n", "DOC-014", "there is no section 'Flags'"),
    (RUNBOOK, "mbp cdc status\n", "mbp cdc state\n", "DOC-016", "no command `mbp cdc state`"),
    (RUNBOOK, "mbp cdc status\n", "mbp cdc status --all\n", "DOC-016", "--all"),
    (RUNBOOK, "mbp degrade off\n", "mbp degrade\n", "DOC-016", "no command `mbp degrade`"),
    (RUNBOOK, "mbp watch --once\n", "mbp watch --interval x\n", "DOC-016", "'x' is not a valid"),
    (
        RUNBOOK,
        "`mbp exercise cdc_delay`",
        "`mbp exercise cdc_lag`",
        "DOC-016",
        "no exercise cdc_lag",
    ),
    (RUNBOOK, "`mbp cdc resnapshot`", "`mbp cdc snapshot`", "DOC-016", "mbp cdc snapshot"),
    (RUNBOOK, "mbp cdc status\n", "curl localhost\n", "DOC-017", "curl is not among the programs"),
    (
        RUNBOOK,
        "mbp cdc status\n",
        "mbp cdc status | sh\n",
        "DOC-017",
        "sh is not among the programs",
    ),
    (
        RUNBOOK,
        "mbp cdc status\n",
        'git show "$(id)"\n',
        "DOC-017",
        "more shell than can be checked",
    ),
    (RUNBOOK, "mbp cdc status\n", "git `id`\n", "DOC-017", "more shell than can be checked"),
    (RUNBOOK, "mbp cdc status\n", "git show 'x\n", "DOC-017", "No closing quotation"),
    (RUNBOOK, "from reliability.kpi_cdc_lag", "form x", "DOC-018", "cannot read the query"),
    (RUNBOOK, "limit 48;", "limit 48; select 1;", "DOC-018", "not one query"),
    (RUNBOOK, "limit 48;", "limit 48 for update;", "DOC-018", "locks what it reads"),
    (
        RUNBOOK,
        "select dataset, window_end, changes, p95_seconds, skewed_changes\n",
        "delete\n",
        "DOC-018",
        "",
    ),
    (
        RUNBOOK,
        "select dataset, window_end, changes, p95_seconds, skewed_changes\n",
        "with gone as (delete from reliability.kpi_cdc_lag returning *) select *\n",
        "DOC-018",
        "writes",
    ),
    (RUNBOOK, "from reliability.kpi_cdc_lag", "from reliability.kpi_lag", "DOC-019", "kpi_lag"),
    (
        RUNBOOK,
        "from reliability.kpi_cdc_lag",
        "from kpi_cdc_lag",
        "DOC-019",
        "relation kpi_cdc_lag",
    ),
    (PLAN, "`MBP_HOOK_URL`", "`MBP_HOOK_ADDRESS`", "DOC-023", "MBP_HOOK_ADDRESS"),
    (RUNBOOK, "mbp cdc status\n", "MBP_ROW=x mbp cdc status\n", "DOC-023", "MBP_ROW"),
    (RUNBOOK, "```sql\n", "```\n", "DOC-024", "marked as nothing"),
    (RUNBOOK, "```sh\n", "```python\n", "DOC-024", "marked as python"),
    ("docs/adr/README.md", "accepted", "rejected", "DOC-025", "stale"),
    (DECISION, "status: accepted", "status: proposed", "DOC-025", "stale"),
]


@pytest.mark.parametrize(("file", "find", "put", "code", "told"), SPOILED)
def test_each_mistake_is_told_with_its_code_and_place(
    spoil: Spoil, found: Found, file: str, find: str, put: str, code: str, told: str
) -> None:
    spoil(file, find, put)
    named = [one for one in found() if one.code == code]
    assert any(told in one.message for one in named), found()
    assert all(one.fix for one in named)
    if code not in ("DOC-013", GENERATED):
        assert file in {one.path for one in named}


def test_a_mistake_is_told_once_and_no_other(spoil: Spoil, found: Found) -> None:
    spoil(RUNBOOK, "mbp cdc status\n", "mbp cdc state\n")
    (one,) = found()
    assert (one.code, one.subject) == ("DOC-016", "cdc_lag")
    assert one.path == RUNBOOK


def test_lines_are_those_of_the_file(copied_project: Path, spoil: Spoil, found: Found) -> None:
    spoil(RUNBOOK, "mbp cdc status\n", "mbp cdc state\n")
    (one,) = found()
    assert one.line is not None
    assert (copied_project / RUNBOOK).read_text().splitlines()[one.line - 1] == "mbp cdc state"


def test_every_code_has_a_mistake_that_it_tells() -> None:
    assert set(RULES) == {code for *_, code, _ in SPOILED} | {"DOC-001"}


def test_the_documents_of_the_project_are_whole(project_root: Path) -> None:
    report = check_documents(project_root)
    assert report.findings == ()
    assert report.passed
    assert report.decision_log_fresh
    accepted = {
        one.name for one in report.documents if (one.kind, one.status) == ("adr", "accepted")
    }
    assert {"ADR-001", "ADR-002", "ADR-003"} <= accepted
    named = {one.name for one in report.documents if one.kind == "runbook"}
    assert named >= {
        *("cdc_lag", "schema_registry_drift", "data_contract_break", "dbt_failure"),
        *("dec_slo_breach", "decision_gap", "inp_regression", "twap_divergence"),
        *("abuse_burst", "privacy_incident"),
    }
    assert [one.status for one in report.documents if one.kind == "plan"] == ["accepted"]


def test_a_review_is_due_on_its_last_day_and_late_on_the_next(
    documents: list[Document], world: NamedThings
) -> None:
    last = date(2026, 11, 25) + timedelta(days=world.policy["review_within_days"])
    codes = [
        {one.code for one in judge(documents, world, day).findings}
        for day in (last, last + timedelta(days=1))
    ]
    assert "DOC-011" not in codes[0]
    assert "DOC-011" in codes[1]


@pytest.mark.parametrize("kind", ["adr", "runbook", "plan"])
def test_a_kind_without_documents_is_a_finding(
    documents: list[Document], world: NamedThings, kind: str
) -> None:
    others = [one for one in documents if one.kind != kind]
    report = judge(others, world, TODAY)
    assert not report.passed
    assert [one.subject for one in report.findings if one.code == "DOC-001"] == [kind]


def test_a_runbook_that_is_gone_is_told_by_its_hook_and_its_alarms(
    documents: list[Document], world: NamedThings
) -> None:
    others = [one for one in documents if one.path != RUNBOOK]
    told = [one for one in judge(others, world, TODAY).findings if one.code == "DOC-013"]
    assert {one.path for one in told} == {
        "contracts/a110/hooks.yaml",
        "contracts/a110/cdc_alarms.yaml",
    }


def test_nothing_to_check_is_no_pass(tmp_path: Path, world: NamedThings) -> None:
    with pytest.raises(MbpError, match="nothing to check"):
        check_documents(tmp_path)
    assert not judge([], world, TODAY).passed
    assert not DocumentReport((), (), ()).passed


def test_a_document_that_is_no_text_cannot_be_looked_at(
    copied_project: Path, report: Callable[[], DocumentReport]
) -> None:
    path = copied_project / PLAN
    kept = path.read_bytes()
    path.write_bytes(b"\xff\xfe\x00")
    try:
        with pytest.raises(MbpError, match="not UTF-8 text"):
            report()
    finally:
        path.write_bytes(kept)


def test_what_is_wrong_as_a_whole_is_refused(copied_project: Path, spoil: Spoil) -> None:
    spoil("contracts/a110/documents.yaml", "review_within_days: 180", "review_within_days: 0")
    with pytest.raises(MbpError, match=r"documents\.yaml:5"):
        check_documents(copied_project, TODAY)


def test_the_command_tells_writes_evidence_and_exits_by_what_it_found(
    copied_project: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(copied_project))
    spoil(PLAN, "`MBP_HOOK_URL`", "`MBP_HOOK_ADDRESS`")
    ran = CliRunner().invoke(app, ["docs", "check", "--format", "json"])
    assert ran.exit_code == 1
    told = json.loads(ran.stdout)
    assert not told["passed"]
    assert "DOC-023" in {one["code"] for one in told["findings"]}
    evidence = json.loads((copied_project / "target/evidence/documents.json").read_text())
    assert evidence["verdict"] == "fail"
    (plan,) = [one for one in evidence["content"]["documents"] if one["kind"] == "plan"]
    assert len(plan["sha256"]) == 64
    assert [one["code"] for one in plan["findings"]] == ["DOC-023"]
    assert evidence["content"]["decision_log"]["fresh"]


def test_evidence_of_whole_documents_passes(
    copied_project: Path, report: Callable[[], DocumentReport]
) -> None:
    whole = replace(report(), findings=(), stale=())
    evidence = json.loads(whole.write_evidence(envelope.begin(copied_project)).read_text())
    assert evidence["verdict"] == "pass"
    assert len(evidence["content"]["documents"]) == len(whole.documents)
