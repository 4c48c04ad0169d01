"""Signs, and says whether a signature is good: `ssh-keygen` decides, and its words are the reason of a refusal.

It needs OpenSSH 8.9 or newer (Debian package openssh-client). It is never asked for anything by hand: a key that needs
a passphrase is used through ssh-agent. It reads contracts/gates/allowed_signers: which key may sign for which roles,
and when (ssh-keygen(1), ALLOWED SIGNERS). It skips a line that it cannot read, so the form of each line is checked
here: role names without patterns, one key, the one namespace, both dates in UTC.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

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
TOOL = "ssh-keygen"
# A hardware key waits for a touch.
SECONDS = 60


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


@dataclass(frozen=True)
class Ran:
    """What the tool answered.

    Attributes:
        lines: each line that it wrote.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def message(self) -> str:
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
            raise MbpError(f"{TOOL} did not sign: {ran.message}", path=key, fix=_fix(ran.message))
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


def _fix(message: str) -> str:
    if "passphrase" in message:
        return "add the key to ssh-agent (`ssh-add KEY`): no passphrase is asked for here"
    if "No private key found" in message:
        return "add the private key to ssh-agent (`ssh-add KEY`), or name its file"
    return "name the file of a private or public SSH key that ssh-keygen can use"


SIGNATURE, ALLOWED = "signature", "allowed_signers"
NO_LINE = "No principal matched."
FINGERPRINT = re.compile(r" key (SHA256:\S+)")


class SignatureRefused(Exception):  # noqa: N818 (a verdict that callers report, no failure of the tool)
    """The signature proves nothing.

    Args:
        reason: for people.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Verified:
    """A good signature."""

    fingerprint: str
    role: str


def verify_signature(
    content: bytes,
    signature: str,
    role: str | None,
    signers: AllowedSigners,
    at: datetime,
    now: datetime | None = None,
) -> Verified:
    """The signer, when the signature over `content` is good for `role`.

    The instant of signing is the signer's own word. So the key must have been valid then *and* be valid now: with a
    key that has ended, or was revoked, anything could be signed as of yesterday.

    Args:
        role: None: any that the key has.
        at: when it says that it was signed.
        now: the wall clock without one.

    Raises:
        SignatureRefused: with the reason.
        MbpError: ssh-keygen or the revocation list cannot be used, or there is no such role.
    """
    if role is not None and role not in ROLES:
        raise MbpError(f"no role {role!r}", fix=f"one of {', '.join(ROLES)}")
    moments = dict.fromkeys((at, now or datetime.now(UTC)))
    with TemporaryDirectory(prefix="mbp-verify-") as name:
        folder = Path(name)
        (folder / SIGNATURE).write_text(signature, encoding="utf-8")
        (folder / ALLOWED).write_text(signers.content, encoding="utf-8")
        if signers.revoked is not None:
            (folder / REVOKED).write_bytes(signers.revoked)
        key = _key_of_signature(folder, content)
        for moment in moments:
            time = f"verify-time={moment.astimezone(UTC):%Y%m%d%H%M%S}"
            role = role or _roles(folder, key, time, signers)[0]
            ran = _verify(folder, content, role, time)
            if ran.code:
                roles = _roles(folder, key, time, signers)
                about = f"is for {', '.join(roles)}, not for {role}: " if role not in roles else ""
                raise SignatureRefused(f"the key {key} {about}ssh-keygen says: {ran.message}")
            if signers.revoked is not None:
                _demand_not_revoked(folder, content, role, time, key, signers)
    return Verified(key, str(role))


def fingerprint_of(content: bytes, signature: str) -> str:
    """The key that made a signature, as `ssh-keygen -l` prints it.

    Raises:
        SignatureRefused: it is not a signature over `content`.
    """
    with TemporaryDirectory(prefix="mbp-verify-") as name:
        (Path(name) / SIGNATURE).write_text(signature, encoding="utf-8")
        return _key_of_signature(Path(name), content)


def _key_of_signature(folder: Path, content: bytes) -> str:
    ran = run(
        *("-Y", "check-novalidate", "-n", NAMESPACE, "-s", SIGNATURE),
        content=content,
        folder=folder,
    )
    matched = FINGERPRINT.search(ran.message)
    if ran.code or matched is None:
        raise SignatureRefused(f"not a signature over this content: ssh-keygen says: {ran.message}")
    return matched[1]


def _roles(folder: Path, key: str, time: str, signers: AllowedSigners) -> list[str]:
    """The roles that the key has at that time.

    Raises:
        SignatureRefused: none; with the reason that ssh-keygen gives.
    """
    ran = run(*("-Y", "find-principals", "-s", SIGNATURE, "-f", ALLOWED, "-O", time), folder=folder)
    if ran.code:
        where = f"has no role in {signers.path}"
        if not signers.content:
            where += " (no key is there yet)"
        reason = "" if ran.message == NO_LINE else f": {ran.message}"
        raise SignatureRefused(f"the key {key} {where}{reason}")
    return [line for line in ran.lines if line in ROLES]


def _verify(folder: Path, content: bytes, role: str, time: str, *revoked: str) -> Ran:
    return run(
        *("-Y", "verify", "-f", ALLOWED, "-I", role, "-n", NAMESPACE, "-s", SIGNATURE, "-O", time),
        *revoked,
        content=content,
        folder=folder,
    )


def _demand_not_revoked(
    folder: Path, content: bytes, role: str, time: str, key: str, signers: AllowedSigners
) -> None:
    """ssh-keygen gives no reason here. So the list is checked first, then the signature without and with it."""
    ran = run("-Q", "-l", "-f", REVOKED, folder=folder)
    if ran.code:
        raise MbpError(
            f"{REVOKED} beside it is not a revocation list: {ran.message}",
            path=signers.path,
            fix=f"write it with `ssh-keygen -k -f {REVOKED} KEY.pub`",
        )
    if _verify(folder, content, role, time, "-r", REVOKED).code:
        raise SignatureRefused(f"the key {key} was revoked")
