"""An incident tells its cause, its rows and the next commands; what has no data is not rolled back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts.hook_policy import load_hooks
from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.core.site_pages import page_url, site_address
from mbp.operate.hooks.actions import incident, notices
from mbp.operate.hooks.incidents import causes, find_incident
from mbp.operate.hooks.measurements import Decision
from mbp.operate.hooks.outbox import ALERTMANAGER
from mbp.release.documents.markdown_body import runbook_steps
from mbp.runs import envelope
from tests.python.operate.hooks.conftest import Site
from tests.python.operate.hooks.test_watch import SLOWER

RULE = "mbp_quotes_price_range"


def mbp(site: Site, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(site.root))
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_an_incident_is_shown_with_the_commands_of_its_runbook(
    duckdb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = duckdb_site
    site.runs_are_green()
    site.execute(SLOWER)
    (decision,) = site.watch().outcome.opened
    short = decision.decision_id[:8]
    assert f"next: mbp incident show {short}" in mbp(site, monkeypatch, "status").stdout
    shown = mbp(site, monkeypatch, "incident", "show", short)
    assert shown.exit_code == 0
    assert re.search(r"Measured: 900 ms over \d+ samples; target <=800", shown.stdout)
    assert "Rollback: Deploy the release before" in shown.stdout
    policy = load_hooks(site.root)
    for section, commands in runbook_steps(site.root / policy.hooks["dec_latency"].runbook):
        assert f"\n{section}:\n  {commands[0]}\n" in shown.stdout
    assert mbp(site, monkeypatch, "incident", "show").stdout == shown.stdout
    with pytest.raises(MbpError, match="no incident 0000"):
        mbp(site, monkeypatch, "incident", "show", "0000")


def found(root: Path, kpi_id: str, evidence: object) -> None:
    envelope.write(envelope.begin(root), kpi_id, summary="", content={"evidence": evidence})


def test_a_cause_names_rule_dataset_and_owner(duckdb_site: Site) -> None:
    root = duckdb_site.root
    assert causes(root, "dec_p95") == []
    found(
        root,
        "data_contract_break",
        [
            {"rule_id": RULE, "verdict": "fail", "reason_unmeasured": None},
            {"rule_id": "mbp_quotes_quote_id_unique", "verdict": "pass"},
        ],
    )
    (cause,) = causes(root, "data_contract_break")
    assert (cause.rule_id, cause.sentence) == (RULE, f"{RULE} of mbp_quotes (owner DATA): fail")
    found(root, "dbt_tests", [{"node": "model.mbp.mbp_quotes", "status": "error"}])
    assert [one.sentence for one in causes(root, "dbt_tests")] == ["model.mbp.mbp_quotes: error"]
    found(root, "schema_drift", {"drift": [{"what": "type", "name": "price"}], "changes": []})
    assert [one.sentence for one in causes(root, "schema_drift")] == ["price, type"]


def decision(site: Site, reason: str) -> Decision:
    policy = load_hooks(site.root)
    hook = policy.hooks["contract_break"]
    now = site.watch().outcome.now
    return Decision(
        "d" * 32, hook.id, hook.kpi.id, "all", reason, "block_deploy", hook.kpi.owner, now, now,
        target=hook.kpi.target,
    )  # fmt: skip


def test_what_has_no_data_is_collected_and_not_rolled_back(duckdb_site: Site) -> None:
    site, policy = duckdb_site, load_hooks(duckdb_site.root)
    found(site.root, "data_contract_break", [{"rule_id": RULE, "verdict": "fail"}])
    (cause,) = causes(site.root, "data_contract_break")
    broken = incident(site.root, policy, decision(site, "breach"), [cause.sentence])
    assert "- Rollback: Restore the last version" in broken
    assert f"## Cause\n\n- {RULE} of mbp" in broken.replace("\\", "")
    blind = incident(site.root, policy, decision(site, "unknown"))
    assert "Rollback" not in blind
    assert "First: check what collects it: `mbp kpi collect`" in blind
    for reason, rollback in (("breach", True), ("unknown", False)):
        made = notices(policy, decision(site, reason), recovered_at=None, cause="why")
        told = next(one for one in made if one.channel == ALERTMANAGER)
        annotations = told.body[0]["annotations"]
        assert bool(annotations["rollback"]) is rollback
        assert (annotations["cause"], annotations["samples"]) == ("why", "None")


def test_an_id_that_fits_several_is_refused(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.incidents.mkdir()
    for name in ("aa1", "aa2"):
        (folder.incidents / f"{name}.md").write_text("- Hook: dec\\_latency (watcher x)\n")
    assert find_incident(folder, "aa2").hook_id == "dec_latency"
    with pytest.raises(MbpError, match="2 incidents begin with aa: aa1, aa2"):
        find_incident(folder, "aa")


def test_a_runbook_is_a_page_where_the_site_has_an_address(tmp_path: Path) -> None:
    document = "docs/runbooks/cdc_lag.md"
    assert page_url(site_address(tmp_path), document) == document
    (tmp_path / "mkdocs.yml").write_text(json.dumps({"site_url": ""}))
    assert page_url(site_address(tmp_path), document) == document
    (tmp_path / "mkdocs.yml").write_text(json.dumps({"site_url": "https://docs.example.org/mbp/"}))
    assert (
        page_url(site_address(tmp_path), document)
        == "https://docs.example.org/mbp/runbooks/cdc_lag.html"
    )
