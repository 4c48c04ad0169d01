"""Is a signature good? `ssh-keygen` decides; its words are the reason of a refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.contracts.gates import ROLES
from mbp.core.errors import MbpError
from mbp.release.signing.keygen import Ran, run
from mbp.release.signing.signers import NAMESPACE, REVOKED, AllowedSigners

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
                raise SignatureRefused(f"the key {key} {about}ssh-keygen says: {ran.told}")
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
    matched = FINGERPRINT.search(ran.told)
    if ran.code or matched is None:
        raise SignatureRefused(f"not a signature over this content: ssh-keygen says: {ran.told}")
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
        reason = "" if ran.told == NO_LINE else f": {ran.told}"
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
            f"{REVOKED} beside it is not a revocation list: {ran.told}",
            path=signers.path,
            fix=f"write it with `ssh-keygen -k -f {REVOKED} KEY.pub`",
        )
    if _verify(folder, content, role, time, "-r", REVOKED).code:
        raise SignatureRefused(f"the key {key} was revoked")
