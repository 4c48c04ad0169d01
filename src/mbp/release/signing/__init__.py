"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""

from mbp.contracts.gates import ROLES
from mbp.core.canonical_json import canonical
from mbp.release.signing.signatures import (
    NAMESPACE,
    AllowedSigners,
    SignatureRefused,
    Verified,
    fingerprint_of,
    sign,
    verify_signature,
)

__all__ = [
    "NAMESPACE",
    "ROLES",
    "AllowedSigners",
    "SignatureRefused",
    "Verified",
    "canonical",
    "fingerprint_of",
    "sign",
    "verify_signature",
]
