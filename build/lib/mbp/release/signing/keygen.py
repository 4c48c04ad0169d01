"""`ssh-keygen` (OpenSSH 8.9 or newer; Debian package openssh-client), which signs and verifies. It is never asked
for anything by hand: a key that needs a passphrase is used through ssh-agent."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.core.errors import MbpError
from mbp.release.signing.signers import NAMESPACE

TOOL = "ssh-keygen"
# A hardware key waits for a touch.
SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What the tool answered.

    Attributes:
        lines: each line that it wrote.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def told(self) -> str:
        """The lines as one."""
        return "; ".join(self.lines) or "no word"


def sign(content: bytes, key: Path) -> str:
    """An armoured detached signature over `content`.

    Args:
        key: file of a private key, or of a public key whose private half ssh-agent holds.

    Raises:
        MbpError: no ssh-keygen, no such key, a key with a passphrase that no agent holds.
    """
    if not key.is_file():
        raise MbpError("no such key", path=key, fix="name the file of a private or public SSH key")
    with TemporaryDirectory(prefix="mbp-sign-") as folder:
        file = Path(folder) / "content"
        file.write_bytes(content)
        ran = run("-Y", "sign", "-f", str(key.resolve()), "-n", NAMESPACE, str(file))
        signed = file.with_name("content.sig")
        if ran.code or not signed.is_file():
            raise MbpError(f"{TOOL} did not sign: {ran.told}", path=key, fix=_fix(ran.told))
        return signed.read_text(encoding="ascii")


def run(*arguments: str, content: bytes = b"", folder: Path | None = None) -> Ran:
    """Runs ssh-keygen in UTC, with no terminal that it could ask.

    Args:
        folder: where it runs.

    Raises:
        MbpError: it is not there, cannot be started or does not end.
    """
    tool = shutil.which(TOOL)
    if tool is None:
        raise MbpError(
            f"{TOOL} is not there: nothing can be signed or verified",
            fix="install OpenSSH (Debian: openssh-client)",
        )
    try:
        done = subprocess.run(
            [tool, *arguments],
            input=content,
            cwd=folder,
            capture_output=True,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
            start_new_session=True,  # no terminal: a question is an error at once
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MbpError(f"{TOOL} could not be run: {error}", fix="install OpenSSH") from error
    text = b"\n".join([done.stderr, done.stdout]).decode("utf-8", errors="replace")
    return Ran(done.returncode, tuple(line.strip() for line in text.splitlines() if line.strip()))


def _fix(told: str) -> str:
    if "passphrase" in told:
        return "add the key to ssh-agent (`ssh-add KEY`): no passphrase is asked for here"
    if "No private key found" in told:
        return "add the private key to ssh-agent (`ssh-add KEY`), or name its file"
    return "name the file of a private or public SSH key that ssh-keygen can use"
