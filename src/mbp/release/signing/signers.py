"""contracts/gates/allowed_signers: which key holds which roles, and from when to when.

The file has the form of OpenSSH (ssh-keygen(1), ALLOWED SIGNERS). Of that form only the part is read that a reader
can check by eye: role names without patterns, one line a key, the one namespace, both dates in UTC.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mbp.contracts.gates import ROLES
from mbp.core.errors import MbpError
from mbp.core.yaml_io import read
from mbp.release.signing.sshsig import Fields, fingerprint_of

FILE = "contracts/gates/allowed_signers"
# Beside allowed_signers; a KRL of OpenSSH: `ssh-keygen -k -f revoked_keys key.pub`.
REVOKED = "revoked_keys"
NAMESPACE = "mbp-data-contracts"
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
# NIST SP 800-57 part 1, table 2: 112 bits of security.
SMALLEST_RSA_BITS = 2048
FORM = 'ROLE[,ROLE] namespaces="mbp-data-contracts",valid-after="YYYYMMDDZ",valid-before="YYYYMMDDZ" TYPE KEY [holder]'
DATE_FORMS = {9: "%Y%m%dZ", 13: "%Y%m%d%H%MZ", 15: "%Y%m%d%H%M%SZ"}
OPTION = re.compile(r'([a-z-]+)="([^"]*)"')


@dataclass(frozen=True)
class Signer:
    """One line: a key.

    Attributes:
        key: the public key as SSH sends it.
        holder: the comment behind the key.
    """

    roles: tuple[str, ...]
    valid_after: datetime
    valid_before: datetime
    key_type: str
    key: bytes
    holder: str
    line: int

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return fingerprint_of(self.key)

    @property
    def public(self) -> str:
        """The key as a line of a .pub file, without its comment."""
        return f"{self.key_type} {base64.b64encode(self.key).decode()}"

    def as_openssh(self) -> str:
        """The line for ssh-keygen that runs in UTC; without Z, which OpenSSH reads since 9.1 only."""
        after, before = (f"{one:%Y%m%d%H%M%S}" for one in (self.valid_after, self.valid_before))
        return (
            f'{",".join(self.roles)} namespaces="{NAMESPACE}",valid-after="{after}",'
            f'valid-before="{before}" {self.public}\n'
        )


@dataclass(frozen=True)
class AllowedSigners:
    """Everybody who may sign.

    Attributes:
        path: of the file, as messages name it.
        revoked: content of the revocation list (KRL); None when there is none.
    """

    signers: tuple[Signer, ...]
    path: str
    revoked: bytes | None = None

    @classmethod
    def load(cls, where: Path) -> AllowedSigners:
        """Reads the file, and `revoked_keys` beside it when it is there.

        Args:
            where: the project, or the file itself.

        Raises:
            MbpError: the file is missing, or a line of it is wrong.
        """
        path = where / FILE if where.is_dir() else where
        shown = FILE if where.is_dir() else str(path)
        text = read(path, shown_as=shown)
        revoked: bytes | None = None
        try:
            revoked = path.with_name(REVOKED).read_bytes()
        except FileNotFoundError:
            pass  # nobody's key was revoked
        except OSError as error:
            raise MbpError(
                f"{REVOKED} cannot be read: {error.strerror}", path=shown, cure="restore the file"
            ) from error
        found: dict[bytes, Signer] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                signer = _signer(line, number)
                if signer.key in found:
                    raise ValueError(f"the key stands in line {found[signer.key].line} already")
            except ValueError as error:
                raise MbpError(str(error), path=shown, line=number, cure=f"write {FORM}") from error
            found[signer.key] = signer
        return cls(tuple(found.values()), shown, revoked)

    def of_key(self, key: bytes) -> Signer | None:
        """The line of a key."""
        return next((one for one in self.signers if one.key == key), None)


def _signer(line: str, number: int) -> Signer:
    words = line.split(maxsplit=4)
    if len(words) < 4:  # noqa: PLR2004 (roles, options, type, key)
        raise ValueError("expected roles, options, type of the key and the key")
    roles = tuple(words[0].split(","))
    for role in roles:
        if role not in ROLES:
            raise ValueError(f"unknown role {role!r}, expected one of {', '.join(ROLES)}")
    if len(set(roles)) != len(roles):
        raise ValueError("a role stands twice")
    options = _options(words[1])
    if options["namespaces"] != NAMESPACE:
        raise ValueError(f'expected namespaces="{NAMESPACE}", found {options["namespaces"]!r}')
    after, before = (_instant(name, options[name]) for name in ("valid-after", "valid-before"))
    if after >= before:
        raise ValueError("valid-after is not before valid-before")
    key = _key(words[2], words[3])
    return Signer(
        roles, after, before, words[2], key, words[4].strip() if words[4:] else "", number
    )


def _options(text: str) -> dict[str, str]:
    wanted = ("namespaces", "valid-after", "valid-before")
    pairs = OPTION.findall(text)
    if ",".join(f'{name}="{value}"' for name, value in pairs) != text:
        raise ValueError(f"the options {text!r} cannot be read")
    names = [name for name, _ in pairs]
    for name in names:
        if name not in wanted:
            raise ValueError(f"the option {name} is not allowed here")
    if sorted(names) != sorted(wanted):
        raise ValueError(f"expected each of {', '.join(wanted)} once")
    return dict(pairs)


def _instant(name: str, text: str) -> datetime:
    form = DATE_FORMS.get(len(text))
    try:
        if form is None:
            raise ValueError(text)
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(
            f"{name}: {text!r} is no instant in UTC like 20261201Z or 20261201120000Z"
        ) from error


def _key(key_type: str, text: str) -> bytes:
    if key_type not in KEY_TYPES:
        raise ValueError(f"unknown type of key {key_type!r}")
    try:
        key = base64.b64decode(text, validate=True)
        fields = Fields(key)
        stated = fields.string().decode()
        if base64.b64encode(key).decode() != text or stated != key_type:
            raise ValueError("another type inside")
        if key_type == "ssh-rsa":
            fields.string()
            bits = int.from_bytes(fields.string(), "big").bit_length()
            fields.demand_end()
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the key is no {key_type} key ({error})") from error
    if key_type == "ssh-rsa" and bits < SMALLEST_RSA_BITS:
        raise ValueError(f"an RSA key of {bits} bits is too short, expected {SMALLEST_RSA_BITS}")
    return key
