"""Statements: who said what about which subject; a changed byte voids one, and one key is one role."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mbp.core.canonical_json import Subject, canonical
from mbp.core.errors import MbpError
from mbp.release.signing.signatures import AllowedSigners, sign
from mbp.release.signing.statements import Signed, read_statements, write_statement
from tests.python.signing_keys import Keys

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SUBJECT = Subject.of("late_trades", {"reason": "late", "expires": "2026-12-01"})


class Desk:
    """A project in which SRE and Eng may sign, each with a key; one key holds both PO and Data."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self.root, self.keys, self.folder = root, keys, root / "signatures"
        path = root / "contracts" / "gates" / "allowed_signers"
        path.parent.mkdir(parents=True)
        lines = [keys.line("sre", "SRE"), keys.line("eng", "Eng"), keys.line("both", "PO,Data")]
        path.write_text("".join(lines))

    def write(self, role: str, key: str, subject: Subject = SUBJECT, now: datetime = NOW) -> Path:
        return write_statement(
            self.root, self.folder, "waiver-approval", subject, role, self.keys.private(key), now
        )

    def read(
        self, subject: Subject = SUBJECT, now: datetime = NOW, **more: Any
    ) -> dict[str, Signed]:
        roles = ("PO", "Eng", "Data", "SRE")
        signers = AllowedSigners.load(self.root)
        return read_statements(self.folder, "waiver-approval", subject, roles, signers, now, **more)

    def forge(self, change: Callable[[dict[str, Any]], None], *, signed: bool = True) -> Signed:
        """SRE's statement, changed, in canonical form, and signed with the right key."""
        path = self.write("SRE", "sre")
        document = json.loads(path.read_bytes())
        change(document)
        path.write_bytes(canonical(document))
        if signed:
            signature = sign(path.read_bytes(), self.keys.private("sre"))
            path.with_name("SRE.json.sig").write_text(signature)
        return self.read()["SRE"]


@pytest.fixture
def desk(tmp_path: Path, keys: Keys) -> Desk:
    return Desk(tmp_path, keys)


def test_what_was_signed_is_read(desk: Desk) -> None:
    path = desk.write("SRE", "sre")
    found = desk.read()
    assert found["SRE"].valid
    assert found["SRE"].signed_at == NOW
    assert str(found["SRE"].fingerprint).startswith("SHA256:")
    assert [found[role].reason for role in ("PO", "Eng")] == [
        "not signed by PO",
        "not signed by Eng",
    ]
    assert path.read_bytes() == canonical(json.loads(path.read_bytes()))


def test_no_byte_of_a_statement_may_change(desk: Desk) -> None:
    path = desk.write("SRE", "sre")
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in (1, 32):
            changed = bytearray(content)
            changed[place] ^= bit
            path.write_bytes(changed)
            found = desk.read()["SRE"]
            assert not found.valid, (place, bit)
            assert found.reason
    for changed in (content + b"\n", b" " + content, content[:-1], b""):
        path.write_bytes(changed)
        assert not desk.read()["SRE"].valid
    path.write_bytes(content)
    assert desk.read()["SRE"].valid


FORGED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (lambda one: one.update(kind="sign-off"), "it is a sign-off"),
    (lambda one: one.update(role="Eng"), "speaks for Eng"),
    (lambda one: one.update(version=2), "version"),
    (lambda one: one.update(more=1), "unknown key 'more'"),
    (lambda one: one.pop("signed_at"), "missing key 'signed_at'"),
    (lambda one: one.update(signed_at="2026-11-25T12:06:00Z"), "of the future"),
    (lambda one: one.update(signed_at="2026-11-31T12:00:00Z"), "void"),
    (lambda one: one.update(signed_at="2026-11-25T12:00:00+00:00"), "signed_at"),
    (lambda one: one["subject"].update(name="other"), "about 'other'"),
    (lambda one: one["subject"].update(sha256="0" * 64), "for another content"),
    (lambda one: one["subject"]["parts"].update(more="0" * 64), "for another more"),
]


@pytest.mark.parametrize(("change", "told"), FORGED)
def test_a_statement_of_something_else_is_void_however_well_signed(
    desk: Desk, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    found = desk.forge(change)
    assert not found.valid
    assert told in found.reason


def test_a_small_difference_of_clocks_is_no_future(desk: Desk) -> None:
    assert desk.forge(lambda one: one.update(signed_at="2026-11-25T12:04:00Z")).valid


def test_a_changed_statement_needs_its_own_signature(desk: Desk) -> None:
    found = desk.forge(lambda one: one.update(signed_at="2026-11-25T11:00:00Z"), signed=False)
    assert "not a signature over this content" in found.reason


def test_what_changed_since_is_named(desk: Desk) -> None:
    desk.write("SRE", "sre")
    other = Subject.of("late_trades", {"reason": "another", "expires": "2026-12-01"})
    assert desk.read(other)["SRE"].reason == "signed for another reason than there is now"


def test_one_key_stands_for_one_role(desk: Desk, tmp_path: Path) -> None:
    desk.write("PO", "both")
    with pytest.raises(MbpError, match="signed it for PO already"):
        desk.write("Data", "both")
    # Written by hand, the second voids both: nobody can tell which of the two was meant.
    other = Desk(tmp_path / "elsewhere", desk.keys)
    other.write("Data", "both")
    for path in other.folder.iterdir():
        path.rename(desk.folder / path.name)
    found = desk.read()
    assert [found[role].valid for role in ("PO", "Data")] == [False, False]
    assert "one key, one role" in found["PO"].reason
    assert "signed it for PO too" in found["Data"].reason


def test_a_statement_ages(desk: Desk) -> None:
    desk.write("SRE", "sre")
    later = NOW + timedelta(hours=25)
    assert desk.read(now=later)["SRE"].valid
    assert "older than 1 day" in desk.read(now=later, max_age=timedelta(days=1))["SRE"].reason


def test_a_missing_signature_is_told(desk: Desk) -> None:
    desk.write("SRE", "sre").with_name("SRE.json.sig").unlink()
    assert desk.read()["SRE"].reason == "its signature is missing"


def test_nothing_is_written_that_would_be_void(desk: Desk) -> None:
    with pytest.raises(MbpError, match="not for PO"):
        desk.write("PO", "sre")
    with pytest.raises(MbpError, match="has no role in contracts/gates/allowed_signers"):
        desk.write("PO", "stranger")
    with pytest.raises(MbpError, match="no role 'CEO'"):
        desk.write("CEO", "sre")
    assert not desk.folder.exists()
    desk.write("SRE", "sre")
    with pytest.raises(MbpError, match="has signed it already"):
        desk.write("SRE", "sre")
    other = Subject.of("late_trades", {"reason": "another"})
    desk.write("SRE", "sre", other)
    assert desk.read(other)["SRE"].valid
