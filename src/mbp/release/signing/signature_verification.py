"""Is a signature good, and if not, why: each reason is told by itself. The last word has ssh-keygen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.contracts.gates import ROLES
from mbp.core.errors import MbpError
from mbp.release.signing.keygen import run
from mbp.release.signing.signers import NAMESPACE, REVOKED, AllowedSigners, Signer
from mbp.release.signing.sshsig import SignatureRefused, read_envelope

REVOKED_CODE = 1


@dataclass(frozen=True)
class Verified:
    """A good signature."""

    fingerprint: str
    role: str


def verify_signature(
    content: bytes,
    signature: str,
    role: str,
    signers: AllowedSigners,
    at: datetime,
    now: datetime | None = None,
) -> Verified:
    """The signer, when the signature over `content` is good for `role`.

    The instant of signing is the signer's own word. So the key must have been valid then *and* be valid now: with a
    key that has ended, or was revoked, anything could be signed as of yesterday.

    Args:
        at: when it says that it was signed.
        now: the wall clock without one.

    Raises:
        SignatureRefused: with the reason.
        MbpError: ssh-keygen or the revocation list cannot be used, or there is no such role.
    """
    if role not in ROLES:
        raise MbpError(f"no role {role!r}", cure=f"one of {', '.join(ROLES)}")
    now = now or datetime.now(UTC)
    envelope = read_envelope(signature)
    if envelope.namespace != NAMESPACE:
        raise SignatureRefused(
            "wrong_namespace",
            f"signed for the namespace {envelope.namespace!r}, not for {NAMESPACE!r}",
        )
    signer = signers.of_key(envelope.key)
    if signer is None:
        known = "" if signers.signers else " (no key is there yet)"
        raise SignatureRefused(
            "unknown_key", f"the key {envelope.fingerprint} is not in {signers.path}{known}"
        )
    if role not in signer.roles:
        raise SignatureRefused(
            "role_not_held",
            f"the key {signer.fingerprint} stands for {', '.join(signer.roles)}, not for {role}",
        )
    _demand_valid(signer, at, now)
    with TemporaryDirectory(prefix="mbp-verify-") as name:
        folder = Path(name)
        _demand_not_revoked(folder, signer, signers)
        _demand_good(folder, content, signature, role, signer, (at, now))
    return Verified(signer.fingerprint, role)


def _demand_valid(signer: Signer, at: datetime, now: datetime) -> None:
    key = f"the key {signer.fingerprint}"
    if at < signer.valid_after:
        raise SignatureRefused(
            "key_not_yet_valid",
            f"{key} is valid after {signer.valid_after.isoformat()}, signed {at.isoformat()}",
        )
    if at > signer.valid_before:
        raise SignatureRefused(
            "key_no_longer_valid",
            f"{key} was valid before {signer.valid_before.isoformat()}, signed {at.isoformat()}",
        )
    if not signer.valid_after <= now <= signer.valid_before:
        raise SignatureRefused(
            "key_ended",
            f"{key} is not valid now; it ended {signer.valid_before.isoformat()}",
        )


def _demand_not_revoked(folder: Path, signer: Signer, signers: AllowedSigners) -> None:
    if signers.revoked is None:
        return
    (folder / "krl").write_bytes(signers.revoked)
    (folder / "key.pub").write_text(f"{signer.public}\n", encoding="ascii")
    ran = run("-Q", "-f", str(folder / "krl"), str(folder / "key.pub"))
    if ran.code == REVOKED_CODE:
        raise SignatureRefused("revoked_key", f"the key {signer.fingerprint} was revoked")
    if ran.code:
        raise MbpError(
            f"{REVOKED} beside it is no revocation list: {ran.told}",
            path=signers.path,
            cure=f"write it with `ssh-keygen -k -f {REVOKED} KEY.pub`",
        )


def _demand_good(
    folder: Path,
    content: bytes,
    signature: str,
    role: str,
    signer: Signer,
    moments: tuple[datetime, datetime],
) -> None:
    file, allowed = folder / "signature", folder / "allowed"
    file.write_text(signature, encoding="utf-8")
    allowed.write_text(signer.as_openssh(), encoding="ascii")
    named = ("-n", NAMESPACE, "-s", str(file))
    if run("-Y", "check-novalidate", *named, content=content).code:
        raise SignatureRefused(
            "changed_content",
            f"the content is not what the key {signer.fingerprint} signed: a byte was changed",
        )
    for moment in moments:
        ran = run(
            *("-Y", "verify", "-f", str(allowed), "-I", role, *named),
            *("-O", f"verify-time={moment.astimezone(UTC):%Y%m%d%H%M%S}"),
            content=content,
        )
        if ran.code:
            # All that is known to be a reason was looked at before.
            raise SignatureRefused("refused", f"ssh-keygen refuses it: {ran.told}")
