"""A waiver holds when everything about it is in order; every reason against it is told with its fix."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.waiver import APPROVERS, Waiver, read_waiver
from mbp.core.errors import MbpError
from mbp.release.signing.signatures import AllowedSigners
from mbp.release.signing.statements import Signed, read_statements
from mbp.release.waivers.known import Waivable
from mbp.release.waivers.waiver_check import RULES, Waivers, valid_waivers
from waivers.conftest import CHECKS, EXERCISE, NOW, RULE, Project


def judged(project: Project, **more: Any) -> Waivers:
    return valid_waivers(project.root, more.pop("now", NOW), gate_checks=CHECKS, changes={}, **more)


def reasons(found: Waivers, name: str) -> list[str]:
    told = [one for one in found.problems if one.subject == name]
    assert all(one.message and one.fix and one.severity == "error" for one in told)
    assert all(one.code in RULES for one in told)
    return sorted({one.code for one in told})


def test_no_waivers_are_no_problem(project: Project) -> None:
    found = judged(project)
    assert (found.judged, found.problems) == ((), ())
    assert not found.suite(NOW).failed


def test_a_waiver_that_is_in_order_holds_until_it_expires(project: Project) -> None:
    project.write("late_trades")
    project.write("slow_page", code="gate_check", object="inp_p75")
    project.approve("late_trades")
    project.stamp("slow_page")
    found = judged(project)
    assert found.problems == ()
    waiver = found.for_rule(RULE)
    assert waiver is not None
    assert (waiver.id, waiver.days_left(NOW)) == ("late_trades", 6)
    assert found.for_rule("another") is None
    assert found.for_change("0" * 16) is None
    check = found.for_check("inp_p75")
    assert check is not None
    assert check.id == "slow_page"
    (shown,) = found.suite(NOW, "late_trades").extra["waivers"]
    assert shown["valid"]
    assert set(shown["approvals"]) == set(APPROVERS)
    over = datetime.combine(waiver.until, time(), UTC) + timedelta(days=1)
    assert judged(project, now=over - timedelta(seconds=1)).for_rule(RULE)
    expired = judged(project, now=over)
    assert reasons(expired, "late_trades") == ["exception_expired"]
    assert expired.for_rule(RULE) is None


# Each is signed by all four, and holds for none of these reasons.
BAD: list[tuple[str, dict[str, Any], str, str, int | None]] = [
    ("long", {"until": "2026-12-08"}, "exception_too_far", "up to 2026-12-07", 11),
    ("over", {"until": "2026-11-24"}, "exception_expired", "2026-11-24", 11),
    ("early", {"opened": "2026-11-26"}, "waiver_not_open", "it opens", 10),
    (
        "unknown_rule",
        {"code": "rule", "object": "no_such_rule"},
        "exception_object_unknown",
        "no 'no_such_rule'",
        4,
    ),
    (
        "unknown_check",
        {"code": "gate_check", "object": "x"},
        "exception_object_unknown",
        "no 'x'",
        4,
    ),
    (
        "unknown_change",
        {"code": "change", "object": "0" * 16},
        "exception_object_unknown",
        "no '0000",
        4,
    ),
    (
        "privacy",
        {"code": "gate_check", "object": "personal_data_in_logs"},
        "waiver_not_waivable",
        "cannot be waived",
        4,
    ),
    ("owner", {"owner": "NOBODY"}, "waiver_owner", "NOBODY", 6),
    (
        "exercise",
        {"rollback": {"plan": "x", "exercise": "no_such_one"}},
        "waiver_not_rehearsed",
        "there is no exercise",
        12,
    ),
    (
        "never_run",
        {"rollback": {"plan": "x", "exercise": "dbt_failure"}},
        "waiver_not_rehearsed",
        "it was never run",
        12,
    ),
    ("backwards", {"until": "2026-11-23"}, "waiver_form", "before it opens", 11),
]


def test_each_reason_is_told_however_well_it_is_signed(project: Project) -> None:
    for name, changed, *_ in BAD:
        project.write(name, **changed)
        project.stamp(name)
    found = judged(project)
    for name, changed, code, told, line in BAD:
        findings = [one for one in found.problems if one.subject == name]
        messages = {one.code: one for one in findings}
        assert code in messages, (name, messages)
        assert told in messages[code].message
        assert messages[code].line == line, (name, messages[code])
        assert "waiver_unsigned" not in messages
        if "object" not in changed:
            # All these cover the one rule.
            assert "waiver_duplicate" in messages
    assert not any(one.valid for one in found.judged)


FORMS: list[tuple[str, dict[str, Any], str]] = [
    ("other_kind", {"code": "check"}, "code"),
    ("no_object", {"object": None}, "missing key 'object'"),
    ("no_reason", {"reason": None}, "missing key 'reason'"),
    ("empty", {"reason": ""}, "reason"),
    ("more", {"approved": True}, "unknown key 'approved'"),
    ("level", {"risk": {"level": "none", "text": "x"}}, "risk.level"),
    ("day", {"until": "2026-12-32"}, "until"),
    ("instant", {"until": "2026-12-01T12:00:00Z"}, "until"),
    ("new_version", {"version": 2}, "version"),
]


def test_what_is_no_waiver_is_told_with_its_line(project: Project) -> None:
    for name, changed, _ in FORMS:
        project.write(name, **changed)
    project.path("yaml").write_text("a: [\n")
    project.path("twice").write_text("id: twice\nid: twice\n")
    project.path("void").write_text("")
    found = judged(project)
    assert found.judged == ()
    for name, _, told in [
        *FORMS,
        ("yaml", {}, "YAML"),
        ("twice", {}, "duplicate"),
        ("void", {}, "empty"),
    ]:
        findings = [one for one in found.problems if one.subject == name]
        assert [one.code for one in findings] == ["waiver_form"] * len(findings), name
        assert any(told in one.message for one in findings), (name, findings)
        assert all(one.line for one in findings) or name == "void"


def test_strays_and_other_names_are_told(project: Project) -> None:
    project.write("late_trades")
    project.approve("late_trades")
    project.path("other").write_bytes(project.path("late_trades").read_bytes())
    folder = project.path("x").parent
    (folder / "note.yml").write_text("id: note\n")
    (folder / "signatures" / "gone").mkdir()
    (folder / "signatures" / "late_trades" / "SEC.json").write_text("{}")
    found = judged(project)
    strays = [one.path for one in found.problems if one.code == "waiver_stray"]
    assert strays == [
        "contracts/waivers/note.yml",
        "contracts/waivers/signatures/gone",
        "contracts/waivers/signatures/late_trades/SEC.json",
    ]
    named = [one.path for one in found.problems if one.code == "waiver_name"]
    assert named == ["contracts/waivers/other.yaml"]
    assert found.for_rule(RULE) is None


def test_the_gate_says_what_may_be_waived(project_root: Path) -> None:
    checks = Waivable(project_root).checks
    assert True in checks.values()
    for name in ("critical_watcher_red", "personal_data_in_logs", "waivers_valid"):
        assert checks[name] is False, name


def test_who_has_not_signed_is_named(project: Project) -> None:
    project.write("late_trades")
    project.approve("late_trades", "PO", "SRE")
    found = judged(project)
    told = [one.message for one in found.problems]
    assert told == ["not signed by Data", "not signed by Eng"]
    assert found.for_rule(RULE) is None
    with pytest.raises(MbpError, match="no waiver 'latetrades'"):
        found.suite(NOW, "latetrades")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"passed": False}, "its last run failed"),
        ({"source": "0" * 64}, "another source state"),
    ],
)
def test_the_rollback_was_rehearsed_on_this_source(
    project: Project, change: dict[str, Any], told: str
) -> None:
    project.write("late_trades")
    project.approve("late_trades")
    project.rehearse(**change)
    (finding,) = judged(project).problems
    assert finding.code == "waiver_not_rehearsed"
    assert told in finding.message
    assert finding.fix == f"`mbp exercise {EXERCISE}` on this source state"


def test_a_waiver_does_not_change_the_source_that_it_is_about(project: Project) -> None:
    project.write("late_trades")
    project.approve("late_trades")
    assert judged(project).problems == ()
    (project.root / "dbt_project.yml").write_text("name: mbp\nversion: 2.0.0\n")
    assert reasons(judged(project), "late_trades") == ["waiver_not_rehearsed"]


def approvals(project: Project, waiver: Waiver) -> dict[str, Signed]:
    return read_statements(
        waiver.signatures(project.root),
        "waiver-approval",
        waiver.signed_content,
        APPROVERS,
        AllowedSigners.load(project.root),
        NOW,
    )


def test_no_byte_of_a_waiver_may_change(project: Project) -> None:
    path = project.write("late_trades")
    path.write_bytes(b"# agreed in the meeting of Tuesday\n" + path.read_bytes())
    project.approve("late_trades")
    content = path.read_bytes()
    assert all(one.valid for one in approvals(project, project.waiver("late_trades")).values())
    read = 0
    for place in range(0, len(content), 5):
        changed = bytearray(content)
        changed[place] ^= 1 + place % 2
        path.write_bytes(changed)
        found = read_waiver(path, project.root)
        if isinstance(found, Waiver):
            read += 1
            told = approvals(project, found)
            assert not any(one.valid for one in told.values()), (place, bytes(changed))
            assert all(one.reason for one in told.values())
    assert read > 20
    path.write_bytes(content.replace(b"Tuesday", b"Thursday"))
    told = approvals(project, project.waiver("late_trades"))["SRE"]
    assert told.reason == "signed for another file than there is now"
    path.write_bytes(content.replace(b"One market", b"No market"))
    told = approvals(project, project.waiver("late_trades"))["SRE"]
    assert told.reason == "signed for another file, risk than there is now"


def test_a_signature_of_another_waiver_is_void(project: Project) -> None:
    project.write("late_trades")
    project.approve("late_trades")
    project.write("slow_page", code="gate_check", object="inp_p75")
    signatures = project.waiver("late_trades").signatures(project.root)
    signatures.rename(signatures.with_name("slow_page"))
    found = judged(project)
    assert reasons(found, "slow_page") == ["waiver_approval_void"]
    assert "about 'late_trades'" in next(
        one.message for one in found.problems if one.code == "waiver_approval_void"
    )
    assert reasons(found, "late_trades") == ["waiver_unsigned"]


def test_a_revoked_key_takes_its_approval_with_it(project: Project) -> None:
    project.write("late_trades")
    project.approve("late_trades")
    revoked = project.root / "contracts" / "gates" / "revoked_keys"
    public = f"{project.keys.private('sre')}.pub"
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), public], check=True)
    project.rehearse()
    (finding,) = judged(project).problems
    assert finding.code == "waiver_approval_void"
    assert "SRE: " in finding.message
    assert "was revoked" in finding.message
