"""The envelope that a signed statement travels in: DSSE 1.0.2 (secure-systems-lab/dsse, protocol.md and envelope.md).

What is signed is the pre-authentication encoding, so that a signature never holds for the same bytes read as
something else.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.core.canonical_json import canonical

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
    """A payload, and who signed it; nobody when there is no signature."""

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
    document = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signatures": [
            {"keyid": one.keyid, "sig": base64.b64encode(one.armoured.encode()).decode("ascii")}
            for one in signatures
        ],
    }
    return canonical(document)


def read(content: bytes) -> DsseEnvelope:
    """The envelope that `write` wrote.

    Raises:
        ValueError: any other bytes, such as another type, a further field or another spelling of the same JSON.
    """
    document = parsed(content, {"payloadType", "payload", "signatures"})
    if document["payloadType"] != PAYLOAD_TYPE:
        raise ValueError(f"payloadType is {document['payloadType']!r}, expected {PAYLOAD_TYPE!r}")
    entries = document["signatures"]
    if not isinstance(entries, list):
        raise ValueError("signatures is no list")
    envelope = DsseEnvelope(
        _decoded(document["payload"]), tuple(_signature(one) for one in entries)
    )
    if write(envelope.payload, envelope.signatures) != content:
        raise ValueError("the bytes are not the canonical form of the envelope")
    return envelope


def parsed(content: bytes, keys: set[str]) -> Mapping[str, Any]:
    """The JSON object with exactly these keys.

    Raises:
        ValueError: it is none.
    """
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or document.keys() != keys:
        raise ValueError(f"expected an object with {', '.join(sorted(keys))}")
    return document


def _signature(entry: Any) -> Signature:
    if not isinstance(entry, dict) or entry.keys() != {"keyid", "sig"}:
        raise ValueError("a signature needs keyid and sig")
    if not isinstance(entry["keyid"], str):
        raise ValueError("keyid is no text")
    return Signature(entry["keyid"], _decoded(entry["sig"]).decode("ascii"))


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("expected base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 ({error})") from error
