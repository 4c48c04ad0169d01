"""allowed_signers: one line a key, and every wrong line is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.signing import AllowedSigners
from tests.python.signing_keys import Keys

FORM = "the line has another form"
WRONG = [
    ("PO", "CEO", "unknown role 'CEO'"),
    ("PO", "*", "unknown role"),
    ('namespaces="mbp-data-contracts",', "", FORM),
    ("mbp-data-contracts", "git", FORM),
    ("mbp-data-contracts", "mbp-data-contracts,git", FORM),
    ('namespaces="', 'cert-authority,namespaces="', FORM),
    ('valid-after="20200101Z",', "", FORM),
    ("20200101Z", "20200101", FORM),
    ("ssh-ed25519", "ssh-rsa", FORM),
    ("ssh-ed25519", "ssh-dss", FORM),
    ("ssh-ed25519 ", "", FORM),
    (" ssh-ed25519 ", "ssh-ed25519", FORM),
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
    with pytest.raises(MbpError, match="is in line 1 already"):
        AllowedSigners.load(path)


def test_a_short_rsa_key_is_refused(keys: Keys, tmp_path: Path) -> None:
    import base64

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    blob = field(b"ssh-rsa") + field(b"\x01\x00\x01") + field(b"\x00" + b"\xff" * 128)
    path = tmp_path / "allowed_signers"
    line = keys.line("rsa", "PO", kind="rsa").split()
    path.write_text(" ".join([*line[:3], base64.b64encode(blob).decode()]) + "\n")
    with pytest.raises(MbpError, match="an RSA key needs 2048 bits"):
        AllowedSigners.load(path)


def test_a_file_that_is_missing_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match="cannot read"):
        AllowedSigners.load(tmp_path)


def test_nobody_is_invented(project_root: Path) -> None:
    """The file of the project: a key is added by those who hold a role, never by this repository."""
    assert AllowedSigners.load(project_root).content == ""
