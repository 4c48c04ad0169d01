"""A pack that was changed anywhere does not verify, and the member that was changed is named."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.gates import load_gate
from mbp.core.canonical_json import canonical
from mbp.core.errors import MbpError
from mbp.release.evidence import agreement, container
from mbp.release.evidence import verify_pack as verifying
from mbp.release.evidence.agreement import WANT_A_PASS
from mbp.release.evidence.container import open_pack
from mbp.release.evidence.pack_build import Pack, seal
from mbp.release.evidence.statement import GROUPS, NAME, STATEMENT, describe, read
from mbp.release.evidence.verify_pack import Verification, verify
from mbp.release.gate.gate_report import GateReport
from tests.python.measured import BILL, BILL_PATH, passed
from tests.python.release.evidence.packs import (
    NOW,
    SIGNERS,
    Release,
    allowed,
    changed,
    flipped,
    group,
    made_right,
    measured,
    members_of,
    restated,
    start_of,
)
from tests.python.signing_keys import Keys


def test_which_rules_want_a_measurement_that_passed(project_root: Path) -> None:
    """The others judge what is inside of it: single exercises, single sources of a scan."""
    rules = {one.rule for one in load_gate(project_root, "M2").checks if "evidence" in one.source}
    assert rules - set(WANT_A_PASS) == {"actions_exercised", "clean_logs"}


def verified(content: bytes, folder: Path, **options: Any) -> Verification:
    path = folder / "pack.zip"
    path.write_bytes(content)
    return verify(path, **options)


def named(found: Verification) -> set[str]:
    assert not found.good
    return {one.path for one in found.findings}


def test_what_was_built_verifies(file: Path, pack: Pack) -> None:
    found = verify(file)
    assert found.findings == []
    assert found.good
    assert (found.gate, found.verdict, found.root) == ("M2", "go", pack.root)
    assert len(found.signed_by) == 1
    assert found.signers == "signers as the pack itself says"
    states = found.signatures
    assert set(states.values()) == {"good"}
    assert {"sign-off SRE", "waiver late_docs PO"} < states.keys()


def test_given_signers_count_and_no_others(file: Path, go: Release, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text(allowed(go.keys))
    found = verify(file, allowed_signers=signers)
    assert found.good
    assert found.signers == "signers as the given file says"
    signers.write_text(allowed(go.keys, ("PO", "Eng", "Data")))
    codes = {one.code for one in verify(file, allowed_signers=signers).findings}
    assert codes == {"signature", "sign_off", "waiver"}


def test_a_key_that_was_revoked_since_counts_no_longer(
    file: Path, go: Release, tmp_path: Path
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(allowed(go.keys))
    command = ["ssh-keygen", "-q", "-k", "-f", "revoked_keys", str(go.keys / "SRE.pub")]
    subprocess.run(command, check=True, cwd=tmp_path)
    found = verify(file, allowed_signers=signers)
    assert any(one.code == "signature" and "revoked" in one.message for one in found.findings)


GROUPS_OF_MEMBERS = (
    "gate/M2.json",
    "gate/M2.md",
    "contracts/gates/m2_pre_ga.yaml",
    SIGNERS,
    "contracts/waivers/late_docs.yaml",
    "contracts/waivers/signatures/late_docs/PO.json",
    "contracts/waivers/signatures/late_docs/PO.json.sig",
    "contracts/gates/signoffs/M2/SRE.json",
    "contracts/gates/signoffs/M2/SRE.json.sig",
    "contracts/a106/quotes.odcs.yaml",
    "contracts/registry_heads.json",
    "contracts/drift.json",
    "quality/newest_results.csv",
    "relations/reliability.kpi_windows.csv",
    "relations/reliability.hook_events.csv",
    "kpis/dec_p95.svg",
    "observability/grafana/DEC.json",
    "traces/slowest_decisions.csv",
    "docs/adr/001.md",
    "docs/runbooks/cdc_lag.md",
    "docs/pre_ga_plan.md",
    "target/manifest.json",
    "target/evidence/build.json",
    "target/evidence/sbom.cdx.json",
    "state.json",
    GROUPS,
)


def test_every_member_is_of_a_group_that_is_tampered_with(pack: Pack) -> None:
    kinds = {Path(name).parent.as_posix() for name in members_of(pack.content)}
    assert kinds == {Path(name).parent.as_posix() for name in GROUPS_OF_MEMBERS}


@pytest.mark.parametrize("name", GROUPS_OF_MEMBERS)
def test_one_flipped_byte_is_named(name: str, pack: Pack, tmp_path: Path) -> None:
    at = len(members_of(pack.content)[name]) * 2 // 3
    found = verified(flipped(pack.content, start_of(pack.content, name) + at), tmp_path)
    assert "changed_member" in [one.code for one in found.findings if one.path == name]


@pytest.mark.parametrize("name", [NAME, STATEMENT])
def test_one_flipped_byte_of_what_follows_from_the_members_is_named(
    name: str, pack: Pack, tmp_path: Path
) -> None:
    start = start_of(pack.content, name)
    for at in (0, 20, 61):
        assert name in named(verified(flipped(pack.content, start + at), tmp_path))


@pytest.mark.parametrize("at", [0, 10, 14, 20, 30, -1, -6, -12, -22, -40])
def test_a_byte_between_the_members_is_found(at: int, pack: Pack, tmp_path: Path) -> None:
    assert named(verified(flipped(pack.content, at % len(pack.content)), tmp_path))


def test_a_pack_of_an_older_format_is_refused_with_one_message(pack: Pack, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        manifest = {**json.loads(members[NAME]), "version": 1, "merkle_root": "0" * 64}
        members[NAME] = canonical(manifest)

    with pytest.raises(MbpError, match="the pack has format 1, this release reads format 2"):
        verified(changed(pack.content, change), tmp_path)


Change = Callable[[dict[str, bytes]], object]
MEMBER = "docs/adr/001.md"
OTHER = "docs/pre_ga_plan.md"


def moved(members: dict[str, bytes]) -> None:
    members["docs/adr/002.md"] = members.pop(MEMBER)


def swapped(members: dict[str, bytes]) -> None:
    members[MEMBER], members[OTHER] = members[OTHER], members[MEMBER]


REPACKED: dict[str, tuple[Change, set[str]]] = {
    "removed": (lambda members: members.pop(MEMBER), {MEMBER}),
    "added": (lambda members: members.update({"docs/more.md": b"more"}), {"docs/more.md"}),
    "renamed": (moved, {MEMBER, "docs/adr/002.md"}),
    "swapped": (swapped, {MEMBER, OTHER}),
    "shortened": (lambda members: members.update({MEMBER: members[MEMBER][:-1]}), {MEMBER}),
    "lengthened": (lambda members: members.update({MEMBER: members[MEMBER] + b"x"}), {MEMBER}),
    "emptied": (lambda members: members.update({MEMBER: b""}), {MEMBER}),
    "without manifest": (lambda members: members.pop(NAME), {NAME}),
    "without statement": (lambda members: members.pop(STATEMENT), {STATEMENT}),
    "without report": (lambda members: members.pop("gate/M2.json"), {"gate/M2.json"}),
    "other signers": (lambda members: members.update({SIGNERS: b"# nobody\n"}), {SIGNERS}),
}


@pytest.mark.parametrize("kind", REPACKED)
def test_other_members_are_named(kind: str, pack: Pack, tmp_path: Path) -> None:
    change, members = REPACKED[kind]
    assert members <= named(verified(changed(pack.content, change), tmp_path))


@pytest.mark.parametrize("length", [0, 1, 21, 22, 500, -1, -22, -3000])
def test_a_truncated_file_does_not_verify(length: int, pack: Pack, tmp_path: Path) -> None:
    assert not verified(pack.content[:length], tmp_path).good


@pytest.mark.parametrize("extra", [b"x", b"\0" * 4, b"PK\x05\x06"])
def test_nothing_may_stand_before_or_behind(extra: bytes, pack: Pack, tmp_path: Path) -> None:
    assert "file" in named(verified(extra + pack.content, tmp_path))
    assert "file" in named(verified(pack.content + extra, tmp_path))


def zipped(pack: Pack, compression: int, **extra: bytes) -> bytes:
    """The same members by another program."""
    told = io.BytesIO()
    with zipfile.ZipFile(told, "w", compression) as file:
        for name, content in {**members_of(pack.content), **extra}.items():
            file.writestr(name, content)
    return told.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_same_members_in_another_zip_are_no_pack(
    compression: int, pack: Pack, tmp_path: Path
) -> None:
    assert "file" in named(verified(zipped(pack, compression), tmp_path))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice(pack: Pack, tmp_path: Path) -> None:
    told = io.BytesIO(pack.content)
    with zipfile.ZipFile(told, "a") as file:
        file.writestr(MEMBER, "another")
    found = verified(told.getvalue(), tmp_path)
    assert any(one.code == "duplicate_member" and one.path == MEMBER for one in found.findings)


@pytest.mark.parametrize("name", ["../up.md", "/etc/x", "a/../../b", "a\\b", "C:x", ".git/config"])
def test_a_name_that_leads_elsewhere(name: str, pack: Pack, tmp_path: Path) -> None:
    found = verified(zipped(pack, zipfile.ZIP_STORED, **{name: b"x"}), tmp_path)
    assert any(one.code == "unsafe_name" for one in found.findings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack.zip"]


def test_a_changed_verdict_with_the_manifest_made_right(pack: Pack, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        report = json.loads(members["gate/M2.json"])
        report["verdict"] = "no-go"
        members["gate/M2.json"] = json.dumps(report).encode()
        made_right(members)

    found = verified(changed(pack.content, change), tmp_path)
    assert {"gate/M2.json", STATEMENT} <= named(found)
    told = next(one.message for one in found.findings if one.path == STATEMENT)
    assert "predicate.verificationResult" in told


def test_a_changed_member_with_the_manifest_made_right(pack: Pack, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        members[MEMBER] = members[MEMBER].upper()
        members[NAME] = describe("M2", members).content()

    assert named(verified(changed(pack.content, change), tmp_path)) == {STATEMENT}


def test_everything_made_right_breaks_the_signature(pack: Pack, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        members[MEMBER] = b"# Another decision\n"
        made_right(members)
        other = seal_again(members)
        restated(members, lambda statement: statement.update(other))

    def seal_again(members: dict[str, bytes]) -> dict[str, Any]:
        digest = hashlib.sha256(members[NAME]).hexdigest()
        assert read(members[NAME]).root == digest
        return {"subject": [{"name": NAME, "digest": {"sha256": digest}}]}

    found = verified(changed(pack.content, change), tmp_path)
    assert [(one.code, one.path) for one in found.findings] == [("signature", STATEMENT)]


def test_signed_by_an_unknown_key(go: Release, tmp_path: Path) -> None:
    stranger = Keys(tmp_path).private("stranger")
    content = seal(go.report, go.members, go.groups, stranger).content
    found = verified(content, tmp_path)
    assert [one.code for one in found.findings] == ["signature"]
    assert "has no role in" in found.findings[0].message


def test_a_pack_that_nobody_signed(go: Release, tmp_path: Path) -> None:
    content = go.pack(None).content
    found = verified(content, tmp_path)
    assert [(one.code, "NOT SIGNED" in one.message) for one in found.findings] == [
        ("not_signed", True)
    ]
    allowed_to = verified(content, tmp_path, allow_unsigned=True)
    assert allowed_to.good
    assert any("NOT SIGNED" in one for one in allowed_to.remarks)


def resealed(go: Release, **members: bytes) -> bytes:
    """A pack that its builder made wrong, rightly signed."""
    whole = {**go.members, **members}
    return seal(go.report, whole, group(whole), go.keys / "SRE").content


def without(go: Release, name: str) -> bytes:
    whole = {path: content for path, content in go.members.items() if path != name}
    definition = "contracts/gates/m2_pre_ga.yaml"
    return seal(go.report, whole, group(whole), go.keys / "SRE", definition).content


@pytest.mark.parametrize("change", ["source", "data"])
def test_a_check_that_passed_on_evidence_of_something_else(
    change: str, go: Release, tmp_path: Path
) -> None:
    name = "target/evidence/build.json"
    content = resealed(go, **{name: measured("build", **{change: "0" * 64})})
    found = verified(content, tmp_path)
    assert [(one.code, one.path) for one in found.findings] == [(f"other_{change}", name)]


MISSING = {
    "target/evidence/build.json": "target/evidence/build.json",
    "target/manifest.json": "target/manifest.json",
    "relations/reliability.kpi_windows.csv": "reliability.kpi_windows",
    "contracts/gates/signoffs/M2/SRE.json.sig": "contracts/gates/signoffs/M2/SRE.json",
    "contracts/gates/signoffs/M2/SRE.json": "contracts/gates/signoffs/M2/SRE.json",
    "contracts/waivers/late_docs.yaml": "contracts/waivers/late_docs.yaml",
    "contracts/waivers/signatures/late_docs/PO.json": "contracts/waivers/late_docs.yaml",
    "contracts/gates/m2_pre_ga.yaml": "contracts/gates/m2_pre_ga.yaml",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_counted_must_be_in_the_pack(name: str, go: Release, tmp_path: Path) -> None:
    assert MISSING[name] in named(verified(without(go, name), tmp_path))


def test_a_waiver_that_was_not_in_force(go: Release, tmp_path: Path) -> None:
    late = replace(go.report, decided_at=NOW + timedelta(days=20))
    members = {**go.members, "gate/M2.json": json.dumps(late.document()).encode()}
    content = seal(late, members, group(members), go.keys / "SRE").content
    found = verified(content, tmp_path)
    assert any(one.code == "waiver" and "in force" in one.message for one in found.findings)


def test_a_go_that_nobody_signed_off(go: Release, tmp_path: Path) -> None:
    report = replace(go.report, results=tuple(go.report.results[:4]))
    members = {**go.members, "gate/M2.json": json.dumps(report.document()).encode()}
    found = verified(seal(report, members, group(members), go.keys / "SRE").content, tmp_path)
    assert {one.code for one in found.findings} == {"sign_off", "checklist"}


OTHER_EVIDENCE: dict[str, dict[str, Any]] = {
    "evidence": {
        "verdict": "fail",
        "content": passed("build", models_failed=1, passed=False),
    },
    "other_target": {"target": "postgres"},
    "other_warehouse": {"warehouse": "another"},
    "other_source": {"source_after": "6" * 64},
    "partial": {"nodes": {"covered": 1, "demanded": 238, "digest": "0"}},
    "old_evidence": {"began_at": (NOW - timedelta(hours=25)).isoformat()},
}


@pytest.mark.parametrize("code", OTHER_EVIDENCE)
def test_evidence_that_does_not_say_what_the_report_says(
    code: str, go: Release, tmp_path: Path
) -> None:
    name = "target/evidence/build.json"
    found = verified(resealed(go, **{name: measured("build", **OTHER_EVIDENCE[code])}), tmp_path)
    assert [(one.code, one.path) for one in found.findings] == [(code, name)]
    later = measured("build", ended_at=(NOW + timedelta(hours=1)).isoformat())
    assert "old_evidence" in {
        one.code for one in verified(resealed(go, **{name: later}), tmp_path).findings
    }


UNDERIVED: dict[str, dict[str, Any]] = {
    "another verdict": {"verdict": "fail"},
    "passed: false": {"content": passed("build", passed=False)},
    "nothing was built": {"content": passed("build", models_built=0)},
    "no content": {"content": {}},
    "an unknown name": {"name": "everything_is_fine"},
}


@pytest.mark.parametrize("kind", UNDERIVED)
def test_a_verdict_that_does_not_follow_from_its_content(
    kind: str, go: Release, tmp_path: Path
) -> None:
    name = "target/evidence/build.json"
    found = verified(resealed(go, **{name: measured("build", **UNDERIVED[kind])}), tmp_path)
    assert ("underived", name) in {(one.code, one.path) for one in found.findings}


def test_a_measurement_on_which_no_check_rests_is_derived_too(go: Release, tmp_path: Path) -> None:
    name = "target/evidence/security_sast.json"
    whole = resealed(go, **{name: measured("security_sast", target=None, data=None)})
    assert verified(whole, tmp_path).good
    empty = passed("security_sast", looked_at={"files": 0})
    other = resealed(go, **{name: measured("security_sast", content=empty)})
    assert [(one.code, one.path) for one in verified(other, tmp_path).findings] == [
        ("underived", name)
    ]


def test_an_empty_bill_of_materials(go: Release, tmp_path: Path) -> None:
    name = "target/evidence/security_sbom.json"
    members = {name: measured("security_sbom"), BILL_PATH: BILL}
    assert verified(resealed(go, **members), tmp_path).good
    for bill in (b"{}", b'{"components": []}'):
        found = verified(resealed(go, **{**members, BILL_PATH: bill}), tmp_path)
        assert [(one.code, one.path) for one in found.findings] == [("underived", name)]


def test_what_is_no_measurement_cannot_be_passed_on(go: Release, tmp_path: Path) -> None:
    """Without one of its keys it would be held to nothing."""
    name = "target/evidence/build.json"
    document = json.loads(measured("build", content={}))
    del document["target"]
    found = verified(resealed(go, **{name: json.dumps(document).encode()}), tmp_path)
    assert ("evidence", name) in [(one.code, one.path) for one in found.findings]


def test_the_same_signature_counts_once(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = verifying.verify_signature
    monkeypatch.setattr(
        verifying, "verify_signature", lambda *given: calls.append(1) or real(*given)
    )

    def change(members: dict[str, bytes]) -> None:
        envelope = json.loads(members[STATEMENT])
        envelope["signatures"] *= 50
        members[STATEMENT] = canonical(envelope)

    once = verified(pack.content, tmp_path)
    found = verified(changed(pack.content, change), tmp_path)
    assert found.signed_by == once.signed_by
    assert len(found.signed_by) == 1
    assert len(calls) == 2
    assert any("more than once" in one for one in found.remarks)


def test_a_waiver_that_is_named_often_is_verified_once(
    go: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = agreement.read_statements
    monkeypatch.setattr(
        agreement, "read_statements", lambda *given: calls.append(given[1]) or real(*given)
    )
    report = with_check(waiver="+".join(["late_docs"] * 100))(go.report)
    members = {**go.members, "gate/M2.json": json.dumps(report.document()).encode()}
    verified(seal(report, members, group(members), go.keys / "SRE").content, tmp_path)
    assert calls.count("waiver-approval") == 1


def test_a_waiver_may_not_be_named_by_a_way_out_of_the_pack(go: Release, tmp_path: Path) -> None:
    report = with_check(waiver="../../../../etc/late_docs")(go.report)
    members = {**go.members, "gate/M2.json": json.dumps(report.document()).encode()}
    found = verified(seal(report, members, group(members), go.keys / "SRE").content, tmp_path)
    assert any("cannot be read" in one.message for one in found.findings if one.code == "waiver")


def calls_of(work: Callable[[], object]) -> int:
    """Calls of functions, of Python and of C: a measure of work that no other process disturbs."""
    count = 0

    def step(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_the_work_grows_with_the_pack_and_not_with_its_square(go: Release, tmp_path: Path) -> None:
    def work(files: int, repeated: int) -> int:
        extra = {f"docs/many/{number}.md": b"# Many\n" for number in range(files)}
        copies = [f"docs/none/{number}.md" for number in range(repeated)]
        report = with_check(evidence=copies, verdict="pass", waiver=None)(go.report)
        members = {
            **go.members,
            **extra,
            "gate/M2.json": json.dumps(report.document()).encode(),
        }
        content = seal(report, members, group(members), None).content
        return calls_of(lambda: verified(content, tmp_path, allow_unsigned=True))

    small, large = work(200, 200), work(1600, 1600)
    assert large < 8 * 1.5 * small


def test_members_that_share_their_bytes_are_refused() -> None:
    """Each entry of the directory leads to the same large member: memory would grow with the square."""
    large = container.write_archive({"a": b"x" * 100_000})
    start = large.rindex(b"PK\x01\x02")
    end = start + 46 + len("a")
    directory = large[start:end] * 1000
    count, size = (1000).to_bytes(2, "little") * 2, len(directory).to_bytes(4, "little")
    last = large[end : end + 8] + count + size + start.to_bytes(4, "little") + b"\0\0"
    with pytest.raises(ValueError, match="larger than the file"):
        container.read_archive(large[:start] + directory + last)


def first_left_out(report: GateReport) -> GateReport:
    return replace(report, results=tuple(report.results[1:]))


def a_role_left_out(report: GateReport) -> GateReport:
    return replace(report, results=tuple(report.results[:-1]))


def with_check(**changes: Any) -> Callable[[GateReport], GateReport]:
    """The check of the documentation, which is waived, says something else."""

    def change(report: GateReport) -> GateReport:
        results = list(report.results)
        results[3] = replace(results[3], **changes)
        return replace(report, results=tuple(results))

    return change


def waived_first(report: GateReport) -> GateReport:
    """A waiver of another check, for one that cannot be waived."""
    results = list(report.results)
    results[0] = replace(results[0], verdict="waived", waiver="late_docs")
    return replace(report, results=tuple(results))


OTHER_REPORTS: dict[str, tuple[Callable[[GateReport], GateReport], str]] = {
    "a check is left out": (first_left_out, "lacks dbt_build"),
    "a role is left out": (a_role_left_out, "lacks sign_off_SRE"),
    "another check": (
        with_check(id="documents"),
        "has documents, which the definition does not have",
    ),
    "a check among the sign-offs": (with_check(area="Sign-offs"), "in the wrong area"),
    "what cannot be waived": (waived_first, "dbt_build is waived, and cannot be"),
    "more than was signed": (
        with_check(findings=16),
        "is signed for 2 findings, and there are 16",
    ),
    "a waiver of another check": (waived_first, "covers the gate check documentation"),
    "a no-go that was none": (with_check(no_go=True), "no_go is not what the definition says"),
}


@pytest.mark.parametrize("kind", OTHER_REPORTS)
def test_a_report_that_does_not_answer_the_definition(
    kind: str, go: Release, tmp_path: Path
) -> None:
    change, told = OTHER_REPORTS[kind]
    report = change(go.report)
    members = {**go.members, "gate/M2.json": json.dumps(report.document()).encode()}
    found = verified(seal(report, members, group(members), go.keys / "SRE").content, tmp_path)
    assert any(told in one.message for one in found.findings), found.findings


def test_no_byte_of_the_file_can_be_changed(pack: Pack, tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 (places, no secrets)
    places = [chance.randrange(len(pack.content)) for _ in range(80)]
    for at in places:
        value = chance.randrange(1, 256)
        content = bytearray(pack.content)
        content[at] ^= value
        opened = open_pack(bytes(content))
        # The signature alone stands outside of what the file proves by itself.
        if not opened.findings:
            assert not verified(bytes(content), tmp_path).good, (at, value)


def test_no_project_and_no_engine_is_needed(file: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    program = (
        "import sys\n"
        "from mbp.cli.main import main\n"
        f"sys.argv = ['mbp', 'evidence', 'verify', {str(file)!r}, '--format', 'json']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    heavy = {'dbt', 'duckdb', 'psycopg2', 'requests', 'numpy'} & set(sys.modules)\n"
        "    print(f'code {end.code or 0}, heavy {sorted(heavy)}', file=sys.stderr)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MBP_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1:] == ["code 0, heavy []"], done.stderr
    assert json.loads(done.stdout)["good"] is True


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_pack(content: bytes, tmp_path: Path) -> None:
    assert not verified(content, tmp_path).good


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="cannot be read"):
        verify(tmp_path / "nothing.zip")
