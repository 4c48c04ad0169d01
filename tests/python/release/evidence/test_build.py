"""What goes into a pack, what may not, and that the same gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.errors import MbpError
from mbp.release.evidence import pack_build
from mbp.release.evidence.makers import MAKERS, as_json
from mbp.release.evidence.pack_build import FILE, Pack, load_groups, seal, settled
from mbp.release.evidence.statement import NAME, STATEMENT
from mbp.release.evidence.verify_pack import verify
from mbp.runs import envelope
from tests.python.release.evidence.packs import NOW, Release, group, measured, members_of
from tests.python.release.evidence.test_envelope import git


def test_the_same_members_give_the_same_bytes(go: Release) -> None:
    again = seal(go.report, dict(reversed(list(go.members.items()))), go.groups, None)
    assert again.content == go.pack(None).content
    signed = go.pack().content
    assert signed == go.pack().content, "ed25519 signatures are deterministic"


PROGRAM = """
import pickle, sys, time
from mbp.release.evidence.pack_build import seal
time.tzset()
report, members, groups = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(seal(report, members, groups, None).content)
"""


def test_zone_language_mask_and_hash_seed_change_nothing(go: Release) -> None:
    told = pickle.dumps((go.report, dict(go.members), dict(go.groups)))
    found = set()
    for zone, language, mask, seed in (
        ("UTC", "C", 0o022, "0"),
        ("Asia/Tokyo", "tr_TR", 0o077, "7"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=told,
            env={**os.environ, "TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": seed},
            umask=mask,
            capture_output=True,
            check=True,
        )
        found.add(hashlib.sha256(done.stdout).hexdigest())
    assert found == {hashlib.sha256(go.pack(None).content).hexdigest()}


def test_any_zip_program_can_open_it(pack: Pack, go: Release) -> None:
    with zipfile.ZipFile(io.BytesIO(pack.content)) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert names == sorted(names)
        assert {NAME, STATEMENT, *go.members} <= set(names)
        assert {one.date_time for one in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.external_attr >> 16 for one in file.infolist()} == {0o100644}
        assert file.read("docs/adr/001.md") == go.members["docs/adr/001.md"]


def test_a_no_go_is_packed_as_what_it_is(go: Release, tmp_path: Path) -> None:
    first, *others = go.report.results
    signed = [one for one in others if one.area == SIGN_OFF_AREA]
    results = [replace(first, verdict="fail"), *others[: -len(signed)]]
    results += [replace(one, verdict="fail") for one in signed]
    report = replace(go.report, results=results)
    members = {**go.members, "gate/M2.json": as_json(report.document())}
    path = tmp_path / "pack.zip"
    path.write_bytes(seal(report, members, group(members), go.keys / "SRE").content)
    found = verify(path)
    assert found.findings == []
    assert found.verdict == "no-go"
    statement = members_of(path.read_bytes())[STATEMENT]
    assert b"FAILED" in base64.b64decode(json.loads(statement)["payload"])


@pytest.mark.parametrize("name", ["../x", "/x", "a b", "a/./b", "ü.md", "", "a" * 500])
def test_a_name_that_a_pack_cannot_hold(name: str, go: Release) -> None:
    members = {**go.members, name: b"x"}
    with pytest.raises(MbpError, match="no safe name"):
        seal(go.report, members, group(members), None)


def test_the_table_of_groups_names_every_maker(project_root: Path) -> None:
    groups = load_groups(project_root, MAKERS)
    assert {name for one in groups for name in one["made"]} == set(MAKERS)
    assert [one["id"] for one in groups if "may_be_empty" in one] == [
        "revoked",
        "waivers",
        "sign_offs",
        "named",
    ]


TABLES = {
    "version: 2\ngroups: []\n": "expected 1",
    "version: 1\ngroups:\n  - {id: gate, what: x, fils: [a]}\n": "fils",
    "version: 1\ngroups:\n  - {id: gate, what: x, files: [../a]}\n": "../a",
    "version: 1\ngroups:\n  - {id: gate, what: x, files: [/a]}\n": "/a",
    "version: 1\ngroups:\n  - {id: gate, what: x}\n": "names no files",
    "version: 1\ngroups:\n  - {id: gate, what: x, made: [nothing]}\n": "no maker 'nothing'",
    "version: 1\ngroups:\n  - {id: a, what: x, files: [a]}\n  - {id: a, what: x, files: [a]}\n": "twice",
    "version: 1\ngroups:\n  - {id: gate, what: x, files: [a]}\n": "'evidence' must be there",
}


@pytest.mark.parametrize("text", TABLES)
def test_a_wrong_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(MbpError, match=r"evidence_pack\.yaml") as error:
        load_groups(tmp_path, {})
    assert TABLES[text] in str(error.value)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("target/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def record(root: Path, go: Release) -> None:
    begun = envelope.begin(root)
    envelope.write(begun, "gate_M2", summary="", content=go.report.document())


def test_a_gate_that_says_the_same_again_keeps_its_time(repository: Path, go: Release) -> None:
    later = replace(go.report, decided_at=NOW.replace(hour=13))
    assert settled(repository, later) is later, "nothing is recorded"
    record(repository, go)
    assert settled(repository, later) == go.report


def test_a_gate_that_says_something_else_has_its_own_time(repository: Path, go: Release) -> None:
    record(repository, go)
    other = replace(go.report, decided_at=NOW.replace(hour=13), data="e" * 64)
    assert settled(repository, other) is other


def test_what_was_measured_since_is_a_decision_of_its_own(repository: Path, go: Release) -> None:
    record(repository, go)
    path = envelope.evidence_path(repository, "build")
    path.write_bytes(measured("build", ended_at=NOW.replace(hour=12, minute=30).isoformat()))
    later = replace(go.report, decided_at=NOW.replace(hour=13))
    assert settled(repository, later) is later


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose table of groups is short, and whose warehouse is not asked."""
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    monkeypatch.setattr(pack_build, "MAKERS", {})
    monkeypatch.setattr(pack_build, "connect", lambda *_, **__: nullcontext())
    for name in (
        "docs/a.md",
        "docs/b.md",
        "target/evidence/x.json",
        "target/evidence/gate_M2.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / FILE).parent.mkdir(parents=True)
    return tmp_path


TABLE = """\
version: 1
groups:
  - {id: gate, what: x, files: [docs/a.md]}
  - {id: evidence, what: x, artifacts: [evidence/*.json]}
"""


def test_a_member_belongs_to_the_first_group_that_names_it(project: Path, go: Release) -> None:
    more = "  - {id: docs, what: x, files: [docs/*.md]}\n"
    more += "  - {id: none, what: x, files: [docs/*.txt], may_be_empty: There need be none.}\n"
    (project / FILE).write_text(TABLE + more)
    members, groups = pack_build.collect(project, go.report, "")
    assert set(members) == {"docs/a.md", "docs/b.md", "target/evidence/x.json"}
    assert groups["docs"]["members"] == ["docs/b.md"]
    assert groups["none"] == {"what": "x", "members": [], "empty_because": "There need be none."}


@pytest.mark.parametrize("place", ["files: [docs/*.txt]", "artifacts: [catalog.json]"])
@pytest.mark.parametrize("beside", ["", ", files: [docs/*.md]"])
def test_an_entry_that_gives_nothing_is_an_error(
    place: str, beside: str, project: Path, go: Release
) -> None:
    if beside and place.startswith("files"):
        place = place.replace("[docs", "[docs/*.md, docs")
        beside = ""
    (project / FILE).write_text(f"{TABLE}  - {{id: more, what: Something, {place}{beside}}}\n")
    with pytest.raises(MbpError, match="gives nothing: Something would be missing") as error:
        pack_build.collect(project, go.report, "")
    assert (error.value.path, error.value.line) == (FILE, 5)


SECRET = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz\n"
PERSONAL = {
    "docs/note.md": "ask ana.souza@empresa-real.com.br",
    "relations/reliability.notes.csv": "note,cpf\nx,529.982.247-25\n",
    "target/evidence/build.json": measured("build", summary="cpf 529.982.247-25").decode(),
    "state.json": SECRET,
}


@pytest.mark.parametrize("name", PERSONAL)
def test_personal_data_and_secrets_are_refused_by_name(
    name: str, go: Release, project_root: Path
) -> None:
    pack_build.screen(project_root, go.members)
    with pytest.raises(pack_build.RefusedPackError) as error:
        pack_build.screen(project_root, {**go.members, name: PERSONAL[name].encode()})
    assert any(one.place == name for one in error.value.findings)
    told = [str(one.finding) for one in error.value.findings]
    assert not any(value in one for one in told for value in ("529.982", "ana.souza", "b3Blbn"))
