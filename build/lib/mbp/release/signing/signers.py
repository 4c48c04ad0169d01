"""contracts/gates/allowed_signers: which key may sign for which roles, and from when to when.

ssh-keygen reads the file and decides (ssh-keygen(1), ALLOWED SIGNERS), and skips a line that it cannot read. So the
form of each line is checked here: role names without patterns, one key, the one namespace, both dates in UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts.gates import ROLES
from mbp.core.errors import MbpError
from mbp.core.yaml_io import read

FILE = "contracts/gates/allowed_signers"
# Beside allowed_signers; a KRL of OpenSSH: `ssh-keygen -k -f revoked_keys key.pub`.
REVOKED = "revoked_keys"
NAMESPACE = "mbp-data-contracts"
FORM = 'ROLE[,ROLE] namespaces="mbp-data-contracts",valid-after="YYYYMMDDZ",valid-before="YYYYMMDDZ" TYPE KEY [holder]'
DATE = r'"\d{8}(?:\d{4}(?:\d{2})?)?Z"'
# An RSA key of 2048 bits or more (NIST SP 800-57 part 1: 112 bits of security) has 372 characters or more.
KEY = (
    r"(?:(?:sk-)?(?:ssh-ed25519|ecdsa-sha2-nistp\d{3})(?:@openssh\.com)? [A-Za-z0-9+/]+"
    r"|ssh-rsa [A-Za-z0-9+/]{370,})=*"
)
LINE = re.compile(
    rf'(?P<roles>\S+) namespaces="{NAMESPACE}",valid-after={DATE},valid-before={DATE} (?P<key>{KEY})(?: .*)?'
)


@dataclass(frozen=True)
class AllowedSigners:
    """Who may sign.

    Attributes:
        content: the file for ssh-keygen: lines with keys only.
        path: of the file, as messages name it.
        revoked: content of the revocation list (KRL); None when there is none.
    """

    content: str
    path: str
    revoked: bytes | None = None

    @classmethod
    def load(cls, where: Path) -> AllowedSigners:
        """Reads the file, and `revoked_keys` beside it when it is there.

        Args:
            where: the project, or the file itself.

        Raises:
            MbpError: the file is missing, or a line of it has another form.
        """
        path = where / FILE if where.is_dir() else where
        shown = FILE if where.is_dir() else str(path)
        text = read(path, shown_as=shown)
        revoked: bytes | None = None
        try:
            revoked = path.with_name(REVOKED).read_bytes()
        except FileNotFoundError:
            pass  # no key was revoked
        except OSError as error:
            raise MbpError(
                f"{REVOKED} cannot be read: {error.strerror}", path=shown, fix="restore the file"
            ) from error
        lines: list[str] = []
        keys: dict[str, int] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    key = _key_of(line)
                    if key in keys:
                        raise ValueError(f"the key is in line {keys[key]} already")
                except ValueError as error:
                    fix = f"write {FORM}"
                    raise MbpError(str(error), path=shown, line=number, fix=fix) from error
                keys[key] = number
                lines.append(line.replace('Z"', '"'))  # OpenSSH reads the Z since 9.1 only
        return cls("".join(f"{line}\n" for line in lines), shown, revoked)


def _key_of(line: str) -> str:
    matched = LINE.fullmatch(line.rstrip())
    if matched is None:
        raise ValueError(f"the line has another form (an RSA key needs 2048 bits): {line[:60]!r}")
    roles = matched["roles"].split(",")
    for role in roles:
        if role not in ROLES:
            raise ValueError(f"unknown role {role!r}, expected one of {', '.join(ROLES)}")
    return matched["key"]
