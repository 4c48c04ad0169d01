"""The envelope that a signed statement travels in: DSSE 1.0.2 (secure-systems-lab/dsse, protocol.md and envelope.md).

What is signed is the pre-authentication encoding, so that a signature never holds for the same bytes read as
something else. `securesystemslib` would do the same, cannot check SSH signatures, and costs each `mbp evidence` 3 s:
its import loads boto3 (measured 2026-11-28, securesystemslib 1.6.0).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mbp.core.canonical_json import canonical
from mbp.core.errors import MbpError

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Signature:
    """One signature.

    Attributes:
        keyid: fingerprint of the key, as a hint only: nothing proves it but the signature.
        armoured: as ssh-keygen writes it.
    """

    keyid: str
    armoured: str


@dataclass(frozen=True)
class DsseEnvelope:
    """A payload and its signatures."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        """What the signatures are over."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Type and payload with their lengths: no two pairs have the same encoding."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def write(payload: bytes, signatures: Sequence[Signature]) -> bytes:
    """The envelope as canonical JSON."""
    entries = [
        {"keyid": signature.keyid, "sig": base64.b64encode(signature.armoured.encode()).decode()}
        for signature in signatures
    ]
    text = base64.b64encode(payload).decode()
    return canonical({"payloadType": PAYLOAD_TYPE, "payload": text, "signatures": entries})


def read(content: bytes) -> DsseEnvelope:
    """The envelope that `write` wrote.

    Raises:
        ValueError: any other bytes, such as another type, a further field or another spelling of the same JSON.
    """
    try:
        document = json.loads(content)
        signatures = tuple(
            Signature(signature["keyid"], base64.b64decode(signature["sig"]).decode("ascii"))
            for signature in document["signatures"]
        )
        envelope = DsseEnvelope(base64.b64decode(document["payload"]), signatures)
        same = write(envelope.payload, signatures) == content
    except (KeyError, TypeError, ValueError, RecursionError, MbpError) as error:
        raise ValueError(f"is no envelope ({type(error).__name__}: {error})") from error
    if not same:
        raise ValueError(f"is not the canonical form of an envelope of the type {PAYLOAD_TYPE}")
    return envelope
