"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""

from mbp.contracts.registry.store import canonical
from mbp.release.signing.keygen import sign
from mbp.release.signing.signers import NAMESPACE, ROLES, AllowedSigners
from mbp.release.signing.sshsig import SignatureRefused
from mbp.release.signing.verify import Verified, verify

__all__ = [
    "NAMESPACE",
    "ROLES",
    "AllowedSigners",
    "SignatureRefused",
    "Verified",
    "canonical",
    "sign",
    "verify",
]
