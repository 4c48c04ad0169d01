"""hooks.yaml: every way it can be wrong is a finding with its place, and silences no other hook."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts.hook_policy import HOOKS, load_hooks
from mbp.core.errors import MbpError


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    for part in ("contracts", "docs/runbooks", "models/marts/reliability"):
        shutil.copytree(project_root / part, tmp_path / part)
    shutil.copy(project_root / "dbt_project.yml", tmp_path)
    return tmp_path


def change(root: Path, find: str, replace: str) -> None:
    path = root / HOOKS
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))


def test_the_project_has_a_valid_hook_for_every_kpi(project_root: Path) -> None:
    policy = load_hooks(project_root)
    assert policy.findings == []
    assert {hook.kpi.id for hook in policy.hooks.values()} == set(policy.sheet.kpis)
    assert policy.limits["rollback_start_seconds"] == 600
    assert policy.limits["cdc_recovery_seconds"] == 1200


@pytest.mark.parametrize(
    ("find", "replace", "code", "told"),
    [
        ("kpi: dec_p95", "kpi: dec_p59", "hook_without_kpi", "did you mean 'dec_p95'?"),
        (
            "  SRE: {receiver: sre-on-call}\n",
            "",
            "owner_without_route",
            "the owner SRE has no route",
        ),
        (
            "runbook: docs/runbooks/cdc_lag.md",
            "runbook: docs/runbooks/no.md",
            "runbook_missing",
            "no.md",
        ),
        ("runbook: docs/runbooks/cdc_lag.md", "runbook: ../x.md", "runbook_missing", "../x.md"),
        ("[reliability.kpi_cdc_lag]", "[reliability.kpi_lag]", "evidence_missing", "kpi_lag"),
        ("for_windows: 1", "for_windows: 0", "hook_form", "for_windows"),
        ("severity: page", "severity: loud", "hook_form", "expected one of"),
        ("    must_have: true\n", "", "hook_form", "missing key 'must_have'"),
        ("id: budget_burn", "id: dec_latency", "hook_twice", "appears twice"),
        ("kpi: error_budget_burn", "kpi: dec_p95", "kpi_twice", "already has the hook dec_latency"),
    ],
)
def test_a_wrong_hook_is_a_finding_with_its_line(
    copy: Path, find: str, replace: str, code: str, told: str
) -> None:
    change(copy, find, replace)
    policy = load_hooks(copy)
    found = [one for one in policy.findings if one.code == code]
    assert found
    assert told in found[0].message + found[0].fix
    assert found[0].path == HOOKS
    assert found[0].line is not None
    # The KPI that lost its hook is told as well, and the others are still watched.
    assert "kpi_without_hook" in {one.code for one in policy.findings}
    assert "drift" in policy.hooks


def test_a_kpi_without_a_hook_is_a_finding(copy: Path) -> None:
    text = (copy / HOOKS).read_text()
    begin, end = text.index("  - id: drift"), text.index("  - id: contract_break")
    (copy / HOOKS).write_text(text[:begin] + text[end:])
    (found,) = load_hooks(copy).findings
    assert (found.code, found.subject) == ("kpi_without_hook", "schema_drift")
    assert found.line


def test_the_file_as_a_whole_must_be_readable(copy: Path) -> None:
    change(copy, "limits:", "limit:")
    with pytest.raises(MbpError, match="unknown key 'limit'"):
        load_hooks(copy)
    (copy / HOOKS).unlink()
    with pytest.raises(MbpError, match="there is no such file"):
        load_hooks(copy)


def test_the_hash_follows_the_rules_and_not_the_layout(copy: Path) -> None:
    before = load_hooks(copy)
    (copy / HOOKS).write_text("# a remark\n" + (copy / HOOKS).read_text())
    assert load_hooks(copy).hash == before.hash
    change(copy, "for_windows: 2", "for_windows: 3")
    after = load_hooks(copy)
    assert after.hash != before.hash
    changed = {
        name
        for name, hook in after.hooks.items()
        if hook.definition_hash != before.hooks[name].definition_hash
    }
    assert changed == {"thin_market"}
    sheet = copy / "contracts/a87/measurement_sheet.yaml"
    sheet.write_text(sheet.read_text().replace('"<=800"', '"<=900"'))
    assert load_hooks(copy).hooks["dec_latency"].definition_hash != (
        after.hooks["dec_latency"].definition_hash
    )


def test_the_command_says_where(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(copy))
    good = CliRunner().invoke(app, ["hooks", "check"])
    assert good.exit_code == 0
    change(copy, "severity: page", "severity: loud")
    bad = CliRunner().invoke(app, ["hooks", "check"])
    assert bad.exit_code == 1
    assert f"{HOOKS}:" in bad.stdout
    shown = CliRunner().invoke(app, ["hooks", "show"])
    assert "degrade+rollback" in shown.stdout
