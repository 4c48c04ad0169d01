"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""

from mbp.contracts.gates import ROLES
from mbp.core.canonical_json import canonical
from mbp.release.signing.signature_verification import (
    SignatureRefused,
    Verified,
    fingerprint_of,
    sign,
    verify_signature,
)
from mbp.release.signing.signers import NAMESPACE, AllowedSigners

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
