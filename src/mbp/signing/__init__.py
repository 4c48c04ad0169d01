"""Detached SSH signatures over canonical content: who holds which role, and who said what about which subject."""

from mbp.registry.store import canonical
from mbp.signing.keygen import sign
from mbp.signing.signers import NAMESPACE, ROLES, AllowedSigners
from mbp.signing.sshsig import SignatureRefused
from mbp.signing.verify import Verified, verify

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
