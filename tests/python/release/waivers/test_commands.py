"""`mbp waiver` and what a valid waiver of a change does to `mbp contracts check`."""

from __future__ import annotations

import json
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from mbp.cli import main as cli
from mbp.contracts.registry.registry_check import check_all, forbidden
from mbp.contracts.registry.registry_view import markdown, suite
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.waiver import APPROVERS, WAIVER_DAYS
from mbp.core.errors import MbpError
from mbp.core.reporting.output_forms import FORMATS, written
from mbp.release.waivers.waiver_check import check_waived, valid_waivers
from mbp.release.waivers.write_waiver import new_waiver
from waivers.conftest import EXERCISE, NOW, RULE, Project

GOOD = {
    "--covers": f"rule:{RULE}",
    "--reason": "Trades came late: 5 of them # really",
    "--owner": "DATA",
    "--risk": "low: one market shows trades after its end",
    "--days": "7",
    "--rollback": "Readers on the last snapshot.",
    "--exercise": EXERCISE,
}


def mbp(*arguments: str) -> Result:
    cli.register()
    return CliRunner().invoke(cli.app, list(arguments))


def new(name: str, **changed: str) -> Result:
    options = {**GOOD, **{f"--{key}": value for key, value in changed.items()}}
    return mbp("waiver", "new", name, *[word for pair in options.items() for word in pair])


def test_from_nothing_to_a_waiver_that_holds(project: Project) -> None:
    empty = mbp("waiver", "check")
    assert (empty.exit_code, empty.stdout.splitlines()[0]) == (0, "no waivers")
    assert json.loads(mbp("waiver", "check", "--format", "json").stdout)["passed"] is True
    assert new("late_trades").exit_code == 0
    waiver = project.waiver("late_trades")
    assert waiver.reason == GOOD["--reason"]
    assert waiver.until - waiver.opened == timedelta(days=6)
    unsigned = mbp("waiver", "check", "late_trades")
    assert unsigned.exit_code == 1
    assert "not signed by PO" in unsigned.stdout
    for role in APPROVERS:
        key = str(project.keys.private(role.lower()))
        signed = mbp("waiver", "sign", "late_trades", "--role", role, "--key", key)
        assert signed.exit_code == 0, signed.output
    holds = mbp("waiver", "check")
    assert holds.exit_code == 0, holds.stdout
    assert f"valid until {waiver.until}, 6 days left" in holds.stdout
    (shown,) = json.loads(mbp("waiver", "check", "--format", "json").stdout)["waivers"]
    assert (shown["valid"], shown["days_left"]) == (True, 6)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"days": str(WAIVER_DAYS + 1)}, "expected a day up to"),
        ({"covers": "rule:no_such_rule"}, "there is no 'no_such_rule'"),
        ({"covers": RULE}, "--covers"),
        ({"covers": "check:x"}, "--covers"),
        ({"risk": "none: x"}, "--risk"),
        ({"risk": "low"}, "--risk"),
        ({"owner": "NOBODY"}, "no team"),
        ({"exercise": "no_such_one"}, "no exercise"),
        ({"reason": ""}, "reason"),
    ],
)
def test_what_could_not_hold_is_not_written(
    project: Project, changed: dict[str, str], told: str
) -> None:
    refused = new("late_trades", **changed)
    assert isinstance(refused.exception, MbpError)
    assert told in str(refused.exception)
    assert not project.path("late_trades").exists()


@pytest.mark.parametrize("name", ["../late", "Late", "late-trades", "1st", ""])
def test_an_id_cannot_leave_the_folder(project: Project, name: str) -> None:
    before = sorted(project.root.rglob("*.yaml"))
    with pytest.raises(MbpError, match="is not an id"):
        new_waiver(
            project.root,
            name,
            covers=GOOD["--covers"],
            findings=1,
            reason="x",
            owner="DATA",
            risk="low: x",
            days=1,
            rollback="x",
            exercise=EXERCISE,
            now=NOW,
        )
    assert sorted(project.root.rglob("*.yaml")) == before


def test_nothing_is_overwritten_and_the_same_is_covered_once(project: Project) -> None:
    project.write("late_trades")
    before = project.digest()
    assert "it is there already" in str(new("late_trades").exception)
    assert "covers the rule" in str(new("late_trades_again").exception)
    assert project.digest() == before


def test_what_could_not_hold_is_not_signed(project: Project) -> None:
    project.write("long", until="2027-01-01")
    key = str(project.keys.private("sre"))
    before = project.digest()
    for arguments, told in [
        (("long", "SRE"), "expected a day up to"),
        (("gone", "SRE"), "no waiver 'gone'"),
        (("long", "SEC"), "does not approve waivers"),
    ]:
        refused = mbp("waiver", "sign", arguments[0], "--role", arguments[1], "--key", key)
        assert isinstance(refused.exception, MbpError)
        assert told in str(refused.exception)
    assert project.digest() == before


def test_a_waived_change_is_let_through_and_shown(project: Project) -> None:
    path = project.root / "contracts" / "a106" / "mbp_quotes.odcs.yaml"
    yaml = YAML()
    document = yaml.load(path)
    properties = document["schema"][0]["properties"]
    next(one for one in properties if one["name"] == "volume")["required"] = False
    document["version"] = "2.0.0"
    yaml.dump(document, path)
    project.rehearse()
    today = date.today()

    def checked() -> Checked:
        (found,) = check_waived(project.root, ["mbp_quotes"], None, today=today, now=NOW)
        return found

    blocked = checked()
    assert blocked.action == "block_deploy"
    (fingerprint,) = forbidden([blocked])
    project.write("step", code="change", object=fingerprint)
    assert checked().action == "block_deploy"
    project.stamp("step")
    waived = checked()
    assert waived.action == "none"
    (shown,) = [one for one in suite([waived], {}).extra["datasets"][0]["changes"] if one["waiver"]]
    assert (shown["waiver"], shown["blocks"]) == ("step", False)
    assert shown["waived_until"] == "2026-12-01"
    views = {form: written(suite([waived], {}), form) for form in FORMATS}
    views["markdown"] = markdown([waived], {})
    for form, view in views.items():
        assert "waived until 2026-12-01" in view, form
    # What is measured stays what it is: the KPIs count with this function.
    (measured,) = check_all(project.root, ["mbp_quotes"], None, today=today)
    assert measured.action == "block_deploy"
    # A word of it is changed, and nobody has agreed to that.
    project.path("step").write_text(project.path("step").read_text() + "# one word more\n")
    assert checked().action == "block_deploy"


@pytest.mark.usefixtures("project")
def test_the_command_takes_waivers_into_account(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def check(root: Path, names: list[str], ref: str | None, **more: Any) -> list[Checked]:
        calls.append({"root": root, "names": names, "ref": ref, **more})
        return [Checked("mbp_quotes", "1.0.0", "FULL", (), (), "none", "1.0.0", ())]

    monkeypatch.setattr("mbp.release.waivers.waiver_check.check_waived", check)
    assert mbp("contracts", "check", "mbp_quotes").exit_code == 0
    (call,) = calls
    assert call["now"].tzinfo is UTC


def test_one_waiver_covers_the_change_of_one_dataset(project: Project) -> None:
    """A change beside the columns, like one of a service level, has the same fingerprint in every dataset."""
    name = "0123456789abcdef"
    project.write("step", code="change", object=name)
    project.stamp(
        "step",
    )
    both = valid_waivers(project.root, NOW, changes={name: ["mbp_markets", "mbp_quotes"]})
    (finding,) = both.problems
    assert "mbp_markets and of mbp_quotes" in finding.message
    assert both.for_change(name) is None
    assert valid_waivers(project.root, NOW, changes={name: ["mbp_quotes"]}).for_change(name)
