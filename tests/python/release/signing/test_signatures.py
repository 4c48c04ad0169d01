"""A signature is good for the role of its key, its content and its time, and refused with the reason otherwise."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.release.signing.signatures import (
    AllowedSigners,
    SignatureRefused,
    Verified,
    sign,
    verify_signature,
)
from tests.python.signing_keys import ALWAYS, Keys

CONTENT = b'{"what":"agreed"}'
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def signers(folder: Path, *lines: str) -> AllowedSigners:
    path = folder / "allowed_signers"
    path.write_text("# who may sign\n" + "".join(lines))
    return AllowedSigners.load(path)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(SignatureRefused) as refused:
        action()
    return refused.value.reason


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_of_each_kind_signs_and_is_verified(keys: Keys, tmp_path: Path, kind: str) -> None:
    allowed = signers(tmp_path, keys.line(kind, "SRE,Eng", kind=kind))
    signature = sign(CONTENT, keys.private(kind, kind))
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", keys.private(kind, kind)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    fingerprint = told.split()[1]
    for role in ("SRE", "Eng"):
        found = verify_signature(CONTENT, signature, role, allowed, NOW, NOW)
        assert found == Verified(fingerprint, role)
    assert verify_signature(CONTENT, signature, None, allowed, NOW) == Verified(fingerprint, "SRE")


@pytest.mark.parametrize(
    ("valid", "role", "content", "word"),
    [
        (ALWAYS, "PO", CONTENT, "is for SRE, not for PO"),
        (ALWAYS, "SRE", CONTENT + b" ", "not a signature over this content"),
        (("20261126Z", "20270101Z"), "SRE", CONTENT, "not yet valid: verify time 2026-11-25T12"),
        (("20260101Z", "20261125Z"), "SRE", CONTENT, "key has expired: verify time 2026-11-25T12"),
        (("20261301Z", "20990101Z"), "SRE", CONTENT, 'invalid "valid-after" time'),
    ],
)
def test_each_refusal_has_its_reason(
    keys: Keys,
    tmp_path: Path,
    valid: tuple[str, str],
    role: str,
    content: bytes,
    word: str,
) -> None:
    allowed = signers(tmp_path, keys.line("sre", "SRE", valid))
    signature = sign(CONTENT, keys.private("sre"))
    assert word in refusal(lambda: verify_signature(content, signature, role, allowed, NOW, NOW))


def test_a_key_that_is_not_there_is_unknown(keys: Keys, tmp_path: Path) -> None:
    signature = sign(CONTENT, keys.private("nobody"))
    allowed = signers(tmp_path, keys.line("sre", "SRE"))
    reason = refusal(lambda: verify_signature(CONTENT, signature, "SRE", allowed, NOW))
    assert "has no role in" in reason
    reason = refusal(lambda: verify_signature(CONTENT, signature, "SRE", signers(tmp_path), NOW))
    assert "no key is there yet" in reason


def test_a_key_that_ended_proves_nothing_of_the_past(keys: Keys, tmp_path: Path) -> None:
    """The instant of signing is the signer's own word: an ended key could name any."""
    allowed = signers(tmp_path, keys.line("sre", "SRE", ("20260101Z", "202611251300Z")))
    signature = sign(CONTENT, keys.private("sre"))
    assert verify_signature(CONTENT, signature, "SRE", allowed, NOW, NOW)
    later = NOW.replace(hour=14)
    reason = refusal(lambda: verify_signature(CONTENT, signature, "SRE", allowed, NOW, later))
    assert "key has expired" in reason
    assert "2026-11-25T13:00" in reason


def test_a_revoked_key_is_refused(keys: Keys, tmp_path: Path) -> None:
    lines = keys.line("sre", "SRE"), keys.line("po", "PO")
    revoked = tmp_path / "revoked_keys"
    subprocess.run(
        ["ssh-keygen", "-q", "-k", "-f", str(revoked), str(keys.private("sre")) + ".pub"],
        check=True,
    )
    allowed = signers(tmp_path, *lines)
    signature = sign(CONTENT, keys.private("sre"))
    reason = refusal(lambda: verify_signature(CONTENT, signature, "SRE", allowed, NOW))
    assert "was revoked" in reason
    assert verify_signature(CONTENT, sign(CONTENT, keys.private("po")), "PO", allowed, NOW)
    revoked.write_text("no list of OpenSSH\n")
    allowed = signers(tmp_path, *lines)
    with pytest.raises(MbpError, match="is not a revocation list"):
        verify_signature(CONTENT, signature, "SRE", allowed, NOW)


def test_a_signature_for_another_purpose_is_refused(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(CONTENT)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", keys.private("sre"), "-n", "git", str(file)],
        check=True,
        capture_output=True,
    )
    signature = (tmp_path / "content.sig").read_text()
    allowed = signers(tmp_path, keys.line("sre", "SRE"))
    reason = refusal(lambda: verify_signature(CONTENT, signature, "SRE", allowed, NOW))
    assert "namespace does not match" in reason


SPOILED: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "no armour": lambda text: text.replace("-----BEGIN SSH SIGNATURE-----\n", ""),
    "windows lines": lambda text: text.replace("\n", "\r\n"),
    "cut": lambda text: "\n".join([*text.splitlines()[:2], *text.splitlines()[-1:], ""]),
    "no base64": lambda text: text.replace("U1NI", "U1N!", 1),
    "another magic": lambda text: text.replace("U1NI", "U1NJ", 1),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_no_signature_is_refused(keys: Keys, tmp_path: Path, name: str) -> None:
    allowed = signers(tmp_path, keys.line("sre", "SRE"))
    spoiled = SPOILED[name](sign(CONTENT, keys.private("sre")))
    reason = refusal(lambda: verify_signature(CONTENT, spoiled, "SRE", allowed, NOW))
    assert "not a signature over this content: ssh-keygen says" in reason


def test_without_ssh_keygen_nothing_is_called_unsigned(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = signers(tmp_path, keys.line("sre", "SRE"))
    key = keys.private("sre")
    signature = sign(CONTENT, key)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MbpError, match="nothing can be signed or verified"):
        sign(CONTENT, key)
    with pytest.raises(MbpError, match="openssh-client"):
        verify_signature(CONTENT, signature, "SRE", allowed, NOW)


def test_a_key_with_a_passphrase_is_refused_at_once(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    started = time.monotonic()
    with pytest.raises(MbpError, match="ssh-agent"):
        sign(CONTENT, keys.private("closed", passphrase="a secret"))
    assert time.monotonic() - started < 10
    with pytest.raises(MbpError, match="no such key"):
        sign(CONTENT, tmp_path / "missing")
    public = tmp_path / "alone.pub"
    public.write_text(keys.public("sre"))
    with pytest.raises(MbpError, match="ssh-agent"):
        sign(CONTENT, public)


def test_an_agent_signs_for_a_public_key(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as agent:
        try:
            for _ in range(1200):
                if socket.exists():
                    break
                time.sleep(0.05)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(
                ["ssh-add", "-q", keys.private("sre")], env=environment, check=True, timeout=120
            )
            public = tmp_path / "only.pub"
            public.write_text(keys.public("sre"))
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            signature = sign(CONTENT, public)
        finally:
            agent.terminate()
    assert verify_signature(
        CONTENT, signature, "SRE", signers(tmp_path, keys.line("sre", "SRE")), NOW
    )
