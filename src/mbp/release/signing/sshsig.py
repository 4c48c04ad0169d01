"""The envelope of an SSH signature, read to tell why one is refused. OpenSSH alone judges the signature.

Sources: PROTOCOL.sshsig of OpenSSH (the envelope), RFC 4251 section 5 (its strings and numbers), RFC 8017 (RSA).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Literal

BEGIN = "-----BEGIN SSH SIGNATURE-----"
END = "-----END SSH SIGNATURE-----"
MAGIC = b"SSHSIG"
VERSION = 1
ARMOUR_WIDTH = 70
LENGTH_BYTES = 4
LONGEST = 16_384
Refusal = Literal[
    "malformed",
    "wrong_namespace",
    "unknown_key",
    "revoked_key",
    "role_not_held",
    "key_not_yet_valid",
    "key_no_longer_valid",
    "key_ended",
    "changed_content",
    "refused",
]


class SignatureRefused(Exception):  # noqa: N818 (a verdict that callers tell, no failure of the tool)
    """The signature proves nothing.

    Args:
        code: what kind of refusal; stable.
        reason: the same for people, with what was found.
    """

    def __init__(self, code: Refusal, reason: str) -> None:
        self.code: Refusal = code
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class SignatureEnvelope:
    """What a signature says of itself: nothing of it is proven yet.

    Attributes:
        key: the public key as SSH sends it.
    """

    key: bytes
    namespace: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return fingerprint_of(self.key)


def fingerprint_of(key: bytes) -> str:
    """SHA-256 of a public key as OpenSSH writes it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def read_envelope(signature: str) -> SignatureEnvelope:
    """The envelope of an armoured signature.

    The armour must be exactly what `ssh-keygen` writes: two files never stand for one signature.

    Raises:
        SignatureRefused: malformed.
    """
    try:
        blob = _unarmoured(signature)
        fields = Fields(blob)
        if fields.take(len(MAGIC)) != MAGIC or fields.number() != VERSION:
            raise ValueError("no SSH signature of version 1")
        key, namespace = fields.string(), fields.string().decode("utf-8")
        for _ in ("reserved", "hash algorithm", "signature"):
            fields.string()
        fields.demand_end()
    except ValueError as error:
        raise SignatureRefused("malformed", f"the signature is malformed: {error}") from error
    return SignatureEnvelope(key, namespace)


class Fields:
    """Reads the fields of a message in the form of SSH, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            ValueError: there are not so many.
        """
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("it ends too early")
        self._at += count
        return taken

    def number(self) -> int:
        """A 32-bit number."""
        return int.from_bytes(self.take(LENGTH_BYTES), "big")

    def string(self) -> bytes:
        """A string with its length before it."""
        return self.take(self.number())

    def demand_end(self) -> None:
        """Nothing is left.

        Raises:
            ValueError: something is.
        """
        if self._at != len(self._data):
            raise ValueError("something stands behind its end")


def _unarmoured(signature: str) -> bytes:
    if len(signature) > LONGEST:
        raise ValueError("too long")
    lines = signature.split("\n")
    if lines[0] != BEGIN or lines[-2:] != [END, ""]:
        raise ValueError(f"expected {BEGIN}, text and {END}")
    try:
        blob = base64.b64decode("".join(lines[1:-2]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    text = base64.b64encode(blob).decode()
    wrapped = [text[at : at + ARMOUR_WIDTH] for at in range(0, len(text), ARMOUR_WIDTH)]
    if lines[1:-2] != wrapped:
        raise ValueError("not armoured as ssh-keygen does it")
    return blob
