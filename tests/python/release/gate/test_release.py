"""From the checklist to a tag: gate, pack, verification, anchor and page of one release, by their commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts import all_rules, load_contracts
from mbp.contracts.registry.registry_check import check_all
from mbp.core.errors import EXIT_REHEARSAL, MbpError
from mbp.operate.hooks.kpi_collect import schema_drift
from mbp.release.gate.context import Context
from mbp.release.gate.gate_report import CheckResult
from mbp.release.gate.gate_run import judge
from mbp.release.waivers.waiver_check import waived_rules
from mbp.release.website.site_facts import look
from tests.python.measured import passed
from tests.python.release.gate.conftest import TARGET, Release

# What the sample on DuckDB lacks for a release.
NOT_IN_PRODUCTION = {"production_data", "production_engine"}
PACK = "target/evidence_M2.zip"
SIGNERS = "contracts/gates/allowed_signers"


def run(release: Release, *arguments: str) -> Result:
    register()
    with release.inside():
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def documented(release: Release) -> list[str]:
    """The commands of docs/gate.md from the keys to the anchor."""
    section = (release.root / "docs/gate.md").read_text().split("## Steps to a release")[1]
    block = section.split("```sh\n")[1].split("```")[0]
    return [line.split(" #")[0].strip() for line in block.splitlines() if line.strip()]


@pytest.mark.timeout(1800)
def test_a_release_goes_out_by_the_documented_commands(release: Release) -> None:
    """From nobody who may sign to an anchored pack. What `make gate` measures in minutes is measured in short, but for
    the secrets: signatures are of random digits."""
    project = Path(__file__).parents[4]
    for place in ("contracts/gates/signoffs", "target/evidence"):
        shutil.rmtree(release.root / place)
    shutil.copy(project / SIGNERS, release.root / SIGNERS)
    release.commit()
    roles = list(release.gate.sign_offs.roles)
    commands = documented(release)
    assert len(commands) <= 10
    for command in commands:
        perform(release, command, roles)
    assert run(release, "gate", "M2").exit_code == EXIT_REHEARSAL

    # Once the gate has recorded its time, the same inputs give the same bytes.
    key = str(release.keys.private("SRE"))
    packs = set()
    for _ in range(2):
        assert run(release, "evidence", "build", "--key", key).exit_code == 0
        packs.add((release.root / PACK).read_bytes())
    assert len(packs) == 1
    git = ["git", "-C", str(release.root), "tag", "--list", "anchor-M2-*"]
    tags = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split()
    assert len(tags) == 1
    assert "GO FOR A REHEARSAL" in (release.root / "target/report.html").read_text()


def test_sign_offs_hold_where_the_release_is_built_again(release: Release) -> None:
    """release.yml: the same commit, measured again in a warehouse of its own with another id."""
    release.commit()  # the sign-offs
    for table in ("warehouse", "runs"):
        release.execute(f"update verification.{table} set warehouse_id = '{'0' * 32}'")
    shutil.rmtree(release.root / "target/evidence")
    perform(release, "make gate", [])
    gate = run(release, "gate", "M2")
    assert gate.exit_code == EXIT_REHEARSAL, gate.output
    assert gate.stdout.startswith(
        "Gate M2 (Pre-GA): GO FOR A REHEARSAL on the committed sample as of 2026-"
    )
    document = json.loads(run(release, "gate", "M2", "--format", "json").stdout)
    assert (document["verdict"], document["warehouse"]) == ("rehearsal", "0" * 32)
    assert "| `dbt_tests` " in run(release, "gate", "M2", "--format", "markdown").output


def perform(release: Release, command: str, roles: list[str]) -> None:
    """One documented command; one that names the role SRE is for each role."""
    if command == "make gate":
        release.measure()
        found = run(release, "security", "run", "--only", "secrets")
        assert found.exit_code == 0, found.output
        return
    assert "SRE" not in command or "id_ed25519" in command
    for role in roles if "--role SRE" in command or '"SRE ' in command else ["SRE"]:
        key = str(release.keys.private(role))
        line = command.replace("~/.ssh/id_ed25519", key).replace("SRE", role)
        if line.startswith("mbp "):
            with chdir(release.root):
                done = run(release, *shlex.split(line)[1:])
            # The release of the tests is of the sample on DuckDB.
            allowed = {"mbp waiver check": (0, 1), "mbp gate M2": (EXIT_REHEARSAL,)}
            assert done.exit_code in allowed.get(line, (0,)), done.output
            continue
        identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.invalid"}
        identity |= {name.replace("AUTHOR", "COMMITTER"): text for name, text in identity.items()}
        subprocess.run(
            ["bash", "-ec", line], cwd=release.root, check=True, env={**os.environ, **identity}
        )


def test_the_site_reads_what_was_recorded(released: Release) -> None:
    with released.inside():
        recorded = look(released.root, TARGET)
    rules = {rule.id for rule in all_rules(load_contracts(released.root))}
    assert recorded.rules.keys() >= rules
    for states in recorded.rules.values():
        for state in states:
            assert (state["verdict"], state["runs"][-1:]) == ("pass", "●"), state
    assert recorded.watch is not None
    assert sum(one.forecasts for one in recorded.calibration) > 0


def test_a_source_that_changed_has_to_be_measured_and_signed_again(release: Release) -> None:
    (release.root / "README.md").write_text("another\n")
    release.commit()
    report = release.run()
    found = {one.id: one for one in report.results}
    assert "of another source" in found["dbt_tests"].message
    assert found["exercises_passed"].verdict == "not_measured"
    assert found["sign_off_SRE"].open
    # What is measured anew counts, and what was signed before does not.
    release.measure()
    open_now = {one.id for one in release.run().results if one.open}
    assert open_now - NOT_IN_PRODUCTION == {
        f"sign_off_{role}" for role in release.gate.sign_offs.roles
    }
    release.sign()
    assert release.run().verdict == "rehearsal"


def test_other_data_has_to_be_measured_again(release: Release) -> None:
    release.execute("delete from marts.mbp_abuse_events ")
    found = release.check("dbt_tests")
    assert found.verdict == "not_measured"
    assert "of other data" in found.message


def test_old_evidence_is_none(release: Release) -> None:
    path = release.root / "target/evidence/security_sast.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "began_at": "2026-01-01T00:00:00+00:00"}))
    found = release.check("sast")
    assert found.verdict == "not_measured"
    assert "at most" in found.message
    path.write_text(json.dumps({**document, "ended_at": "2099-01-01T00:00:00+00:00"}))
    assert "in the future" in release.check("sast").message


def unmeasured(release: Release, part: str) -> None:
    with release.inside():
        release.write(part, content=passed(part, verdict="not_measured", reason="no answer"))


def test_a_waiver_stands_in_and_shows(release: Release) -> None:
    unmeasured(release, "security_audit")
    assert release.check("dependency_audit").verdict == "not_measured"
    waived(release, "no_advisories", "gate_check:dependency_audit")
    found = release.check("dependency_audit")
    assert (found.verdict, found.waiver) == ("waived", "no_advisories")
    assert found.waived_until is not None
    release.sign()
    assert "checks hold, 1 of them by a waiver" in run(release, "gate", "M2").stdout


def test_a_waiver_covers_what_was_signed_and_no_more(release: Release) -> None:
    """Signed for one secret, it does not cover sixteen; signed for a missing measurement, it covers no advisory."""

    def found(part: str, count: int) -> CheckResult:
        problems = [{"path": "", "subject": f"s{n}", "message": "found"} for n in range(count)]
        with release.inside():
            release.write(part, content=passed(part, verdict="fail", problems=problems))
        return release.check({"security_sast": "sast", "security_audit": "dependency_audit"}[part])

    assert found("security_sast", 2).verdict == "fail"
    waived(release, "accepted", "gate_check:sast")
    assert "findings: 2" in (release.root / "contracts/waivers/accepted.yaml").read_text()
    assert found("security_sast", 2).verdict == "waived"
    assert found("security_sast", 1).verdict == "waived"
    more = found("security_sast", 16)
    assert (more.verdict, more.waiver) == ("fail", None)
    assert "the waiver accepted is signed for 2 findings, not for 16" in more.message
    unmeasured(release, "security_sast")
    assert release.check("sast").verdict == "not_measured"
    unmeasured(release, "security_audit")
    waived(release, "offline", "gate_check:dependency_audit")
    assert release.check("dependency_audit").verdict == "waived"
    assert found("security_audit", 1).verdict == "fail"


def test_a_waiver_that_nobody_signed_stands_in_for_nothing(release: Release) -> None:
    unmeasured(release, "security_audit")
    waived(release, "no_advisories", "gate_check:dependency_audit")
    (release.root / "contracts/waivers/signatures/no_advisories/SRE.json.sig").unlink()
    assert release.check("waivers_valid").verdict == "fail"
    assert release.check("dependency_audit").verdict == "not_measured"


def test_what_cannot_be_looked_at_is_told_and_not_passed(release: Release) -> None:
    (release.root / "mbp.duckdb").unlink()
    done = run(release, "gate", "M2")
    assert done.exit_code == 1
    assert "NOT MEASURED" in done.output
    assert "Traceback" not in done.output
    assert release.check("contracts_complete").verdict == "pass"


@pytest.mark.parametrize(
    ("find", "replace", "told"),
    [
        ("rule: sustained", "rule: sustaned", "did you mean"),
        ("kpi: dec_p95", "kpi: dec_p99", "no KPI 'dec_p99'"),
        ("owner: SRE", "owner: NOBODY", "no owner 'NOBODY'"),
        ("id: no_server_errors", "id: dec_latency_sustained", "twice"),
        ("waivable: false\n    no_go: true", "waivable: true\n    no_go: true", "cannot be waived"),
        ("actions: [degrade, rollback]", "deeds: [degrade]", "source.actions"),
        ("build, of: [source, data]", "build, of: [source, date]", "one of"),
        ("gate: M2", "gate: M3", "no gate 'M2'"),
        ("version: 1", "version: 2", "expected"),
        ("    PO: product owner", "    CEO: all", "role 'CEO'"),
        ("rule: sustained", "rool: sustained", "rool"),
        (
            "waivable: false\n    rehearsal: true",
            "waivable: true\n    rehearsal: true",
            "not waived into a release",
        ),
    ],
)
def test_a_wrong_definition_is_refused(
    release: Release, find: str, replace: str, told: str
) -> None:
    release_file = "contracts/gates/m2_pre_ga.yaml"
    path = release.root / release_file
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))
    with pytest.raises(MbpError, match=told.replace("'", ".")) as caught:
        _ = release.gate
    # No file has the gate whose name was changed; anything else is wrong in this one.
    assert caught.value.path == ("contracts/gates" if "no gate" in told else release_file)


def test_grants_of_a_server_of_its_own_do_not_count_for_a_live_one(released: Release) -> None:
    check = next(one for one in released.gate.checks if one.id == "least_privilege")
    with released.inside():
        judged = {
            target: judge(Context(released.root, target, datetime.now(UTC), 24, {}), check)
            for target in ("duckdb", "postgres")
        }
    assert judged["duckdb"].verdict == "pass"
    assert judged["postgres"].verdict == "not_measured"
    assert "not this one" in judged["postgres"].message


def test_the_command_of_every_check_exists(released: Release) -> None:
    register()
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for check in released.gate.checks:
        words = check.command.split()
        assert words[0] in ("mbp", "git"), check.id
        if words[0] == "mbp":
            command = known[words[1]]
            inner = getattr(command, "commands", None)
            assert inner is None or words[2] in inner, check.command


def waived(release: Release, name: str, covers: str) -> None:
    """A waiver with all its approvals."""
    done = run(
        release,
        *("waiver", "new", name, "--covers", covers, "--reason", "fixed on Friday"),
        *("--owner", "DATA", "--risk", "low: few rows", "--days", "7"),
        *("--rollback", "deploy the release before", "--exercise", "dec_latency"),
    )
    assert done.exit_code == 0, done.output
    for role in ("PO", "Eng", "Data", "SRE"):
        key = str(release.keys.private(role))
        signed = run(release, "waiver", "sign", name, "--role", role, "--key", key)
        assert signed.exit_code == 0, signed.output


def test_broken_rules_are_waived_one_by_one(release: Release) -> None:
    path = release.root / "target/evidence/data_contract_break.json"
    document = json.loads(path.read_text())
    broken = ["closed_market_no_trades", "twap_reconciles"]
    rules = [{"rule_id": name, "verdict": "fail", "failing_rows": 1} for name in broken]
    content = {**document["content"], "value": 2, "samples": 2, "evidence": rules}
    path.write_text(json.dumps({**document, "verdict": "fail", "content": content}))
    waived(release, "first", f"rule:{broken[0]}")
    assert release.check("contract_break").verdict == "fail"
    waived(release, "second", f"rule:{broken[1]}")
    found = release.check("contract_break")
    assert (found.verdict, found.waiver) == ("waived", "first+second")
    rules[0]["failing_rows"] = 16
    content = {**content, "evidence": rules}
    path.write_text(json.dumps({**document, "verdict": "fail", "content": content}))
    found = release.check("contract_break")
    assert found.verdict == "fail"
    assert "the waiver first is signed for 1 finding, not for 16" in found.message


def test_rules_that_were_not_measured_are_waived_one_by_one(release: Release) -> None:
    """What a mapping declares about its own data is no pass: somebody has to sign for each rule."""
    path = release.root / "target/evidence/data_contract_break.json"
    document = json.loads(path.read_text())
    rules = document["content"]["evidence"]
    absent = {"closed_market_no_trades", "twap_reconciles"}
    for one in rules:
        if one["rule_id"] in absent:
            one.update(verdict="not_measured", reason_unmeasured="source")
    content = {**document["content"], "value": None, "samples": len(rules) - 2}
    path.write_text(json.dumps({**document, "verdict": "pass", "content": content}))
    assert "its content gives not_measured" in release.check("contract_break").message
    path.write_text(json.dumps({**document, "verdict": "not_measured", "content": content}))
    assert release.check("contract_break").verdict == "not_measured"
    waived(release, "first", "rule:closed_market_no_trades")
    assert release.check("contract_break").verdict == "not_measured"
    waived(release, "second", "rule:twap_reconciles")
    found = release.check("contract_break")
    assert (found.verdict, found.waiver) == ("waived", "first+second")
    with release.inside():
        assert waived_rules(release.root, sorted(absent)) == absent


def test_a_verdict_that_does_not_follow_from_its_content_is_not_measured(release: Release) -> None:
    for name, check in (("security_sbom", "sbom"), ("build", "dbt_build")):
        path = release.root / f"target/evidence/{name}.json"
        document = json.loads(path.read_text())
        content = document["content"]
        content = (
            {**content, "looked_at": {}} if "looked_at" in content else {**content, "passed": False}
        )
        path.write_text(json.dumps({**document, "content": content}))
        found = release.check(check)
        assert found.verdict == "not_measured"
        assert "its content gives not_measured" in found.message


def test_a_forbidden_change_carries_the_name_by_which_it_is_waived(release: Release) -> None:
    path = release.root / "contracts/a106/mbp_quotes.odcs.yaml"
    text = path.read_text()
    rest = "\n        classification: internal\n        relationships"
    assert f"required: true{rest}" in text
    path.write_text(text.replace(f"required: true{rest}", f"required: false{rest}", 1))
    with release.inside():
        found = schema_drift(release.root, "duckdb").evidence["changes"]
        (checked,) = check_all(release.root, ["mbp_quotes"], None, today=datetime.now(UTC).date())
    forbidden = {one.fingerprint for one in checked.judged if one.blocks}
    assert forbidden
    assert {one["fingerprint"] for one in found} - {None} == forbidden
