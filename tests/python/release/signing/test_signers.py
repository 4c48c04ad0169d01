"""allowed_signers: one line a key, and every wrong line is told with its place."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.signing.signatures import AllowedSigners, sign, verify_signature
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


def test_the_example_in_the_committed_file_works_on_the_day_it_is_copied(
    keys: Keys, tmp_path: Path, project_root: Path
) -> None:
    """Both ways: the line with a key in it, and the command that writes one."""
    head = (project_root / "contracts/gates/allowed_signers").read_text()
    (example,) = re.findall(r"^#\s+(ROLE\[,ROLE\] .*)$", head, re.MULTILINE)
    (command,) = re.findall(r"^#\s+(echo .*)$", head, re.MULTILINE)
    shutil.copy(keys.private("sre").with_suffix(".pub"), tmp_path / "id_ed25519.pub")
    (tmp_path / "contracts/gates").mkdir(parents=True)
    path = tmp_path / "contracts/gates/allowed_signers"
    filled = example.replace("ROLE[,ROLE]", "PO,Eng")
    path.write_text(filled.replace("ssh-ed25519 AAAA... holder", keys.public("po")) + "\n")
    written = command.replace("~/.ssh", str(tmp_path))
    subprocess.run(["bash", "-c", written], cwd=tmp_path, check=True)
    signers, now = AllowedSigners.load(tmp_path), datetime.now(UTC)
    for role, name in (("PO", "po"), ("SRE", "sre")):
        signature = sign(b"content", keys.private(name))
        assert verify_signature(b"content", signature, role, signers, now).role == role


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
    with pytest.raises(MbpError, match="no such file"):
        AllowedSigners.load(tmp_path)


def test_nobody_is_invented(project_root: Path) -> None:
    """The file of the project: a key is added by those who hold a role, never by this repository."""
    assert AllowedSigners.load(project_root).content == ""
