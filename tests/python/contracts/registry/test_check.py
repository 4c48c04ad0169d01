"""May a changed contract be merged: version, mode, proof, exception, and who is told what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.contracts.compatibility.diff import diff, fingerprint
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.published_versions import published
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.proof import proof_path, provable, prove, violation_query
from mbp.contracts.registry.registry_check import check_all, to_prove
from mbp.contracts.registry.registry_view import Impact, markdown, suite
from mbp.contracts.registry.version_check import Checked
from mbp.core.errors import MbpError
from mbp.core.reporting.output_forms import FORMATS, written
from mbp.warehouse.connection import DuckdbWarehouse
from registry.conftest import TODAY, Registry, column

Edit = Callable[[dict[str, Any]], None]


def optional_column(document: dict[str, Any]) -> None:
    twin = dict(column(document, "market_id"))
    for key in ("relationships", "required"):
        twin.pop(key)
    document["schema"][0]["properties"].append({**twin, "name": "venue", "description": "Where."})


def described(document: dict[str, Any]) -> None:
    column(document, "volume")["description"] = "Shares that changed hands."


def nullable(document: dict[str, Any]) -> None:
    column(document, "volume")["required"] = False


def shorter(document: dict[str, Any]) -> None:
    entry = column(document, "quote_id")
    entry["logicalTypeOptions"]["maxLength"] = 12
    reasons = next(one for one in entry["customProperties"] if one["property"] == "ruleReasons")
    reasons["value"]["length"] = "Keys are printed on slips."


def codes(checked: Checked, level: str = "error") -> list[str]:
    return [finding.code for finding in checked.findings if finding.severity == level]


@pytest.mark.parametrize(
    ("edit", "version", "least", "found"),
    [
        (described, "1.0.0", "1.0.1", ["version_too_low"]),
        (described, "1.0.1", "1.0.1", []),
        (optional_column, "1.0.1", "1.1.0", ["version_too_low"]),
        (optional_column, "1.1.0", "1.1.0", []),
        (nullable, "1.1.0", "2.0.0", ["required_removed", "version_too_low"]),
        # A major version tells readers; it does not ask them.
        (nullable, "2.0.0", "2.0.0", ["required_removed"]),
        (shorter, "2.0.0", "2.0.0", ["max_length_tightened"]),
    ],
)
def test_the_version_must_tell_how_much_changed(
    registry: Registry, edit: Edit, version: str, least: str, found: list[str]
) -> None:
    registry.publish()
    registry.edit(edit, version=version)
    checked = registry.check()
    assert (codes(checked), checked.least) == (found, least)
    assert checked.action == ("block_deploy" if found else "none")


def test_a_lower_version_is_refused(registry: Registry) -> None:
    registry.publish()
    registry.edit(described, version="0.9.0")
    assert "version_decreased" in codes(registry.check())
    assert "version_too_low" in codes(registry.check())


def test_without_a_published_version_there_is_nothing_to_pass(registry: Registry) -> None:
    assert codes(registry.check()) == ["not_published"]


def test_a_contract_that_is_gone_is_a_finding(registry: Registry) -> None:
    registry.publish("mbp_resolutions")
    (registry.root / "contracts" / "a106" / "mbp_resolutions.odcs.yaml").unlink()
    found = check_all(registry.root, [], None, today=TODAY)
    assert [one.dataset for one in found if "table_removed" in codes(one)] == ["mbp_resolutions"]


def mode(registry: Registry, name: str, columns: str = "by_name") -> None:
    registry.write(
        "policy.yaml",
        f"version: 1\ndefault: {{mode: {name}, columns: {columns}}}\ndatasets: {{}}\n",
    )


@pytest.mark.parametrize(
    ("name", "edit", "blocks"),
    [
        ("BACKWARD", nullable, False),
        ("FORWARD", nullable, True),
        ("BACKWARD", shorter, True),
        ("FORWARD", shorter, False),
        ("FULL", shorter, True),
        ("FULL_TRANSITIVE", nullable, True),
    ],
)
def test_the_mode_says_which_direction_counts(
    registry: Registry, name: str, edit: Edit, blocks: bool
) -> None:
    registry.publish()
    mode(registry, name)
    registry.edit(edit, version="2.0.0")
    assert (registry.check().action == "block_deploy") is blocks


def test_transitive_modes_look_at_every_version_of_the_subject(registry: Registry) -> None:
    def with_default(document: dict[str, Any]) -> None:
        optional_column(document)
        properties = document["schema"][0]["properties"]
        properties[-1]["logicalTypeOptions"] = {"minLength": 1}
        properties[-1]["customProperties"] = [
            *properties[-1].get("customProperties", []),
            {"property": "ruleReasons", "value": {"length": "An empty venue says nothing."}},
        ]

    registry.publish()
    registry.edit(with_default, version="1.1.0")
    registry.publish()
    registry.edit(described, version="1.1.1")
    checked = registry.check()
    assert checked.compared == ("1.1.0", "1.0.0")
    assert {one.against for one in checked.judged} == {"1.1.0", "1.0.0"}
    mode(registry, "FULL")
    assert registry.check().compared == ("1.1.0",)


def exempt(registry: Registry, fingerprint: str, until: str, **changes: str) -> None:
    entry = {
        "code": fingerprint,
        "object": "mbp_quotes",
        "owner": "DATA",
        "reason": "agreed",
        "until": until,
    } | changes
    registry.write("exceptions.yaml", json.dumps({"version": 1, "exceptions": [entry]}))


def test_an_exception_frees_one_change_for_a_time(registry: Registry) -> None:
    registry.publish()
    registry.edit(nullable, version="2.0.0")
    (one,) = (judged for judged in registry.check().judged if judged.blocks)
    exempt(registry, one.fingerprint, "2026-12-01")
    checked = registry.check()
    assert (checked.action, codes(checked, "warning")) == ("none", ["required_removed"])
    exempt(registry, one.fingerprint, "2026-11-22")
    assert codes(registry.check()) == ["exception_expired"]
    exempt(registry, "0" * 16, "2026-12-01")
    assert set(codes(registry.check())) == {"required_removed", "exception_unused"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object": "mbp_quote"}, "there is no 'mbp_quote'.*mbp_quotes"),
        ({"owner": "ME"}, "unknown owner 'ME'"),
        ({"until": "2026-13-01"}, "is not a day"),
        ({"until": "soon"}, "until"),
        ({"reason": ""}, "reason"),
        ({"ends": "2026-12-01"}, "unknown key 'ends'"),
        ({"code": "abc"}, "code"),
    ],
)
def test_a_malformed_exception_is_an_error(
    registry: Registry, changes: dict[str, str], message: str
) -> None:
    registry.publish()
    exempt(registry, **{"fingerprint": "0" * 16, "until": "2026-12-01", **changes})
    with pytest.raises(MbpError, match=message):
        registry.check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\ndefault: {mode: FULLY, columns: by_name}\ndatasets: {}\n", "FULL"),
        ("version: 1\ndefault: {mode: FULL, columns: by_name}\n", "missing key 'datasets'"),
        (
            "version: 1\ndefault: {mode: FULL, columns: by_name}\ndatasets: {x: {reason: a}}\n",
            "unknown dataset 'x'",
        ),
    ],
)
def test_a_malformed_policy_is_an_error(registry: Registry, text: str, message: str) -> None:
    registry.write("policy.yaml", text)
    with pytest.raises(MbpError, match=message):
        registry.check()


def warehouse(tmp_path: Path, *quotes: str) -> Path:
    file = tmp_path / "history.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.mbp_quotes (quote_id varchar)")
        for quote in quotes:
            connection.execute("insert into marts.mbp_quotes values (?)", [quote])
    return file


def proven(registry: Registry, file: Path) -> dict[str, Any]:
    head = published(registry.root, "mbp_quotes")[-1]
    contract = working(registry.root)["mbp_quotes"]
    (change,) = (one for one in diff(head.contract, contract) if provable(one))
    with DuckdbWarehouse(file, read_only=True) as opened:
        return prove(
            registry.root, "mbp_quotes", change, tables(contract, "x")["mbp_quotes"], opened
        )


def test_check_and_prove_do_not_send_to_each_other(registry: Registry, tmp_path: Path) -> None:
    """What `contracts check` says to prove is what `registry prove` proves, also against an older version and with a
    proof that was spoilt; where there is nothing to prove, the next step is to publish."""
    registry.publish()
    with pytest.raises(MbpError, match="`mbp registry publish mbp_quotes`"):
        to_prove(registry.root, "mbp_quotes")
    registry.edit(shorter, version="1.1.0")
    (finding,) = [one for one in registry.check().findings if one.code == "max_length_tightened"]
    assert "`mbp registry prove mbp_quotes`" in finding.fix
    (change,) = to_prove(registry.root, "mbp_quotes")
    proven(registry, warehouse(tmp_path, "q1"))
    path = proof_path(registry.root, "mbp_quotes", fingerprint(change))
    path.write_text(path.read_text().replace('"violations":0', '"violations":1'))
    with pytest.raises(MbpError, match="`mbp registry prove mbp_quotes`"):
        registry.check()
    assert to_prove(registry.root, "mbp_quotes") == [change]
    proven(registry, tmp_path / "history.duckdb")
    assert codes(registry.check()) == []


def test_a_proof_makes_a_tightening_a_minor_change(registry: Registry, tmp_path: Path) -> None:
    registry.publish()
    registry.edit(shorter, version="1.1.0")
    assert codes(registry.check()) == ["max_length_tightened", "version_too_low"]
    proof = proven(registry, warehouse(tmp_path, "q1", "q2"))
    assert (proof["rows_checked"], proof["violations"], proof["target"]) == (2, 0, "duckdb")
    checked = registry.check()
    assert (checked.action, checked.least, codes(checked, "note")) == (
        "none",
        "1.1.0",
        ["max_length_tightened"],
    )
    registry.publish()
    assert published(registry.root, "mbp_quotes")[-1].document["proofs"][0]["rows_checked"] == 2


@pytest.mark.parametrize(
    ("quotes", "message"),
    [((), "no rows, so they prove nothing"), (("q1", "q" * 13), "1 of 2 rows would be invalid")],
)
def test_what_proves_nothing_is_no_proof(
    registry: Registry, tmp_path: Path, quotes: tuple[str, ...], message: str
) -> None:
    registry.publish()
    registry.edit(shorter, version="1.1.0")
    with pytest.raises(MbpError, match=message):
        proven(registry, warehouse(tmp_path, *quotes))
    assert codes(registry.check()) == ["max_length_tightened", "version_too_low"]


def test_a_changed_proof_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.publish()
    registry.edit(shorter, version="1.1.0")
    proof = proven(registry, warehouse(tmp_path, "q1"))
    path = next((registry.root / "contracts" / "registry").rglob(f"{proof['fingerprint']}.json"))
    path.write_text(path.read_text().replace('"rows_checked":1', '"rows_checked":9'))
    with pytest.raises(MbpError, match="was changed after it was measured"):
        registry.check()


def test_a_loosening_cannot_be_proven(registry: Registry) -> None:
    registry.publish()
    registry.edit(nullable, version="2.0.0")
    contract = working(registry.root)["mbp_quotes"]
    changes = diff(published(registry.root, "mbp_quotes")[-1].contract, contract)
    loosened = next(one for one in changes if one.code == "required_removed")
    assert not provable(loosened)
    assert violation_query(loosened, tables(contract, "x")["mbp_quotes"], "duckdb") is None


def test_the_contracts_of_a_commit_can_stand_for_the_registry(registry: Registry) -> None:
    registry.edit(nullable, version="1.1.0")
    checked = registry.check(ref="HEAD")
    assert codes(checked) == ["required_removed", "version_too_low"]
    with pytest.raises(MbpError, match="git ls-tree"):
        registry.check(ref="no-such-ref")


def test_a_dataset_that_the_commit_does_not_have_is_held_to_the_registry(
    registry: Registry,
) -> None:
    registry.git("rm", "-q", "--cached", "contracts/a106/mbp_quotes.odcs.yaml")
    registry.git("commit", "-qm", "without quotes")
    assert codes(registry.check(ref="HEAD")) == ["not_published"]
    registry.publish()
    assert codes(registry.check(ref="HEAD")) == []
    registry.edit(nullable)
    assert "required_removed" in codes(registry.check(ref="HEAD"))


def test_every_form_tells_the_same(registry: Registry) -> None:
    registry.publish()
    registry.edit(nullable, version="1.1.0")
    checked = [registry.check()]
    impacts = {
        (one.dataset, judged.fingerprint): Impact(
            ("exposure market_dashboard",), ("2 rows would be invalid",), {"quote_id": "q-1"}
        )
        for one in checked
        for judged in one.judged
    }
    whole = suite(checked, impacts)
    texts = {form: written(whole, form) for form in FORMATS}
    assert "error required_removed: mbp_quotes.volume" in texts["text"]
    document = json.loads(texts["json"])
    assert (document["passed"], document["action"]) == (False, "block_deploy")
    (entry,) = document["datasets"]
    change = next(one for one in entry["changes"] if one["code"] == "required_removed")
    assert change["witness"]["forward"]["row"]["volume"] is None
    assert change["readers"] == ["exposure market_dashboard"]
    assert (change["notes"], change["row"]) == (["2 rows would be invalid"], {"quote_id": "q-1"})
    assert (change["class"], change["bump"], change["blocks"]) == ("shape", "major", True)
    failures = ElementTree.fromstring(texts["junit"]).findall(".//failure")  # noqa: S314
    assert [one.get("type") for one in failures] == ["required_removed", "version_too_low"]
    sarif = json.loads(texts["sarif"])
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert sarif["version"] == "2.1.0"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] > 1
    contract = (registry.root / "contracts/a106/mbp_quotes.odcs.yaml").read_text().splitlines()
    lines = [contract[(one.line or 1) - 1].strip() for one in whole.findings]
    assert lines == ["- name: volume", "version: 1.1.0"]
    view = markdown(checked, impacts)
    for part in (
        "**block_deploy**",
        "`required_removed`",
        "**break**",
        "at least 2.0.0",
        "read by exposure market_dashboard",
        'such as {"quote_id": "q-1"}',
        "not under the",
    ):
        assert part in view, view


def test_the_command_exits_by_what_it_found(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MBP_PROJECT_DIR", str(registry.root))
    cli.register()

    def run(*arguments: str) -> int:
        return CliRunner().invoke(cli.app, ["contracts", *arguments]).exit_code

    registry.publish()
    assert run("check", "mbp_quotes") == 0
    registry.edit(nullable, version="2.0.0")
    assert run("check", "mbp_quotes") == 1
    output = tmp_path / "check.md"
    assert run("check", "mbp_quotes", "--format", "markdown", "--output", str(output)) == 1
    assert output.read_text().startswith("# Contract changes")
    old = registry.root / "contracts" / "registry" / "mbp_quotes" / "1.0.0.json"
    new = registry.root / "contracts" / "a106" / "mbp_quotes.odcs.yaml"
    assert run("diff", str(old), str(new)) == 1
    assert run("diff", str(new), str(new)) == 0
    assert run("explain", "scale_changed") == 0
