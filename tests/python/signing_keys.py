"""SSH keys that tests make for themselves, and files of allowed signers with them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mbp.release.signing.signatures import NAMESPACE

ALWAYS = ("20200101Z", "20990101Z")


class Keys:
    """A folder of keys: each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def private(self, name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
        """The private key of that name."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", str(path)],
                check=True,
                capture_output=True,
            )
        return path

    def public(self, name: str, kind: str = "ed25519") -> str:
        """Its public half: type, key and comment."""
        return self.private(name, kind).with_suffix(".pub").read_text().strip()

    def line(
        self, name: str, roles: str, valid: tuple[str, str] = ALWAYS, kind: str = "ed25519"
    ) -> str:
        """Its line in allowed_signers."""
        dates = f'valid-after="{valid[0]}",valid-before="{valid[1]}"'
        return f'{roles} namespaces="{NAMESPACE}",{dates} {self.public(name, kind)}\n'


def demand_openssh() -> None:
    """OpenSSH is there; MBP_DEMAND_OPENSSH makes its absence a failure, as in its CI job."""
    if shutil.which("ssh-keygen") is None:
        if os.environ.get("MBP_DEMAND_OPENSSH"):
            pytest.fail("ssh-keygen is not there: install openssh-client")
        pytest.skip("ssh-keygen is not there (Debian: openssh-client): signatures are not tested")
