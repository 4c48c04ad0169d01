"""allowed_signers: one line a key, and every wrong line is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.signing import ROLES, AllowedSigners
from tests.python.signing_keys import ALWAYS, Keys

WRONG = [
    ("PO", "CEO", "unknown role 'CEO'"),
    ("PO", "*", "unknown role"),
    ("PO", "PO,PO", "a role stands twice"),
    ('namespaces="mbp-data-contracts",', "", "expected each of"),
    ("mbp-data-contracts", "git", "expected namespaces"),
    ("mbp-data-contracts", "mbp-data-contracts,git", "expected namespaces"),
    ('namespaces="', 'cert-authority,namespaces="', "cannot be read"),
    ('valid-after="20200101Z",', "", "expected each of"),
    ("20200101Z", "20200101", "is no instant in UTC"),
    ("20200101Z", "20201301Z", "is no instant in UTC"),
    ("20200101Z", "20990101Z", "not before"),
    ("ssh-ed25519", "ssh-rsa", "is no ssh-rsa key"),
    ("ssh-ed25519", "ssh-dss", "unknown type of key"),
    ("AAAAC3", "AAAAC4", "is no ssh-ed25519 key"),
    ("ssh-ed25519 ", "", "unknown type of key"),
    (" ssh-ed25519 ", "ssh-ed25519", "expected roles, options"),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG)
def test_a_wrong_line_is_told(keys: Keys, tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "allowed_signers"
    line = keys.line("po", "PO")
    assert old in line
    path.write_text(f"# a comment\n\n{line.replace(old, new, 1)}")
    with pytest.raises(MbpError, match=re.escape(told)) as refused:
        AllowedSigners.load(path)
    assert (refused.value.path, refused.value.line) == (str(path), 3)


def test_a_key_stands_once(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    path.write_text(keys.line("po", "PO") + keys.line("po", "Eng"))
    with pytest.raises(MbpError, match="stands in line 1 already"):
        AllowedSigners.load(path)


def test_a_short_rsa_key_is_refused(keys: Keys, tmp_path: Path) -> None:
    import base64

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    blob = field(b"ssh-rsa") + field(b"\x01\x00\x01") + field(b"\x00" + b"\xff" * 128)
    path = tmp_path / "allowed_signers"
    line = keys.line("rsa", "PO", kind="rsa").split()
    path.write_text(" ".join([*line[:3], base64.b64encode(blob).decode()]) + "\n")
    with pytest.raises(MbpError, match="1024 bits is too short"):
        AllowedSigners.load(path)


def test_a_file_that_is_missing_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="cannot read"):
        AllowedSigners.load(tmp_path)


def test_roles_dates_and_holder_are_read(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    path.write_text(keys.line("po", ",".join(ROLES), (ALWAYS[0], "20261201123000Z")))
    (found,) = AllowedSigners.load(path).signers
    assert found.roles == ROLES
    assert found.valid_before.isoformat() == "2026-12-01T12:30:00+00:00"
    assert (found.holder, found.line) == ("po", 1)


def test_nobody_is_invented(project_root: Path) -> None:
    """The file of the project: a key is added by those who hold a role, never by this repository."""
    assert AllowedSigners.load(project_root).signers == ()
