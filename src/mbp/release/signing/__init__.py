"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""

from mbp.contracts.gates import ROLES
from mbp.core.canonical_json import canonical
from mbp.release.signing.keygen import sign
from mbp.release.signing.signature_verification import Verified, verify_signature
from mbp.release.signing.signers import NAMESPACE, AllowedSigners
from mbp.release.signing.sshsig import SignatureRefused

__all__ = [
    "NAMESPACE",
    "ROLES",
    "AllowedSigners",
    "SignatureRefused",
    "Verified",
    "canonical",
    "sign",
    "verify_signature",
]
