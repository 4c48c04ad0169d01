"""A signed statement: `<ROLE>.json` in canonical JSON, and `<ROLE>.json.sig`, the signature over its bytes.

The same for an approval of a waiver and for a sign-off of the gate. Nothing but the very bytes that the canonical
form has is read, so that no two files say the same and a changed byte anywhere voids the statement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from mbp.contracts.gates import ROLES
from mbp.core import moments
from mbp.core.canonical_json import Subject, canonical
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import shown
from mbp.core.schema_check import TEXT, closed, violations
from mbp.release.signing.signatures import AllowedSigners, SignatureRefused, sign, verify_signature

Kind = Literal["waiver-approval", "sign-off"]
VERSION = 1
SUFFIX = ".json"
SIGNATURE_SUFFIX = ".json.sig"
LONGEST_BYTES = 65_536
INSTANT = "%Y-%m-%dT%H:%M:%SZ"
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SCHEMA = closed(
    {
        "version": {"const": VERSION},
        "kind": {"enum": ["waiver-approval", "sign-off"]},
        "subject": closed(
            {
                "name": TEXT,
                "sha256": DIGEST,
                "parts": {"type": "object", "additionalProperties": DIGEST},
            }
        ),
        "role": {"enum": list(ROLES)},
        "signed_at": {
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        },
    }
)


@dataclass(frozen=True)
class Signed:
    """What there is of one role.

    Attributes:
        reason: why it is not valid; empty when it is.
        signed_at: as the statement says; None without one that can be read.
        fingerprint: of the key; None unless its signature is good.
    """

    role: str
    valid: bool
    reason: str
    signed_at: datetime | None = None
    fingerprint: str | None = None


def read_statements(
    folder: Path,
    kind: Kind,
    subject: Subject,
    roles: Sequence[str],
    signers: AllowedSigners,
    now: datetime,
    *,
    max_age: timedelta | None = None,
) -> dict[str, Signed]:
    """Role -> what it says of the subject; every role of `roles` is there, signed or not.

    Statements of other roles in the folder are read for the separation of duty: one key that signs for two
    roles on one subject counts for none of them.

    Args:
        max_age: an older statement is void.

    Raises:
        MbpError: ssh-keygen cannot be run, or a file cannot be read.
    """
    signeds = {
        role: _read(folder, kind, subject, role, signers, now, max_age)
        for role in dict.fromkeys((*roles, *ROLES))
        if role in roles or (folder / f"{role}{SUFFIX}").exists()
    }
    keys = Counter(signed.fingerprint for signed in signeds.values() if signed.fingerprint)
    for role, signed in signeds.items():
        if signed.fingerprint and keys[signed.fingerprint] > 1:
            others = [
                other.role
                for other in signeds.values()
                if other.fingerprint == signed.fingerprint and other.role != role
            ]
            reason = f"the key {signed.fingerprint} signed it for {', '.join(others)} too: one key, one role"
            signeds[role] = Signed(role, False, reason, signed.signed_at, signed.fingerprint)
    return {role: signeds[role] for role in roles}


def write_statement(
    root: Path,
    folder: Path,
    kind: Kind,
    subject: Subject,
    role: str,
    key: Path,
    now: datetime,
) -> Path:
    """Signs the subject for the role; the path of the statement. What is void already is replaced.

    Raises:
        MbpError: it cannot be signed: the key may not sign for the role, signed for another one here, or cannot be
            used; or the role has signed it already.
    """
    signers = AllowedSigners.load(root)
    path = folder / f"{role}{SUFFIX}"
    if role not in ROLES:
        raise MbpError(f"no role {role!r}", fix=f"one of {', '.join(ROLES)}")
    standing = read_statements(folder, kind, subject, ROLES, signers, now)
    if standing[role].valid:
        raise MbpError(f"{role} has signed it already", path=shown(path, root), fix="leave it")
    now = now.astimezone(UTC).replace(microsecond=0)
    content = canonical(
        {
            "version": VERSION,
            "kind": kind,
            "subject": subject.document(),
            "role": role,
            "signed_at": now.strftime(INSTANT),
        }
    )
    signature = sign(content, key)
    try:
        verified = verify_signature(content, signature, role, signers, now, now)
    except SignatureRefused as error:
        fix = f"{signers.path} says who may sign what: docs/waivers.md"
        raise MbpError(f"not signed: {error.reason}", fix=fix) from error
    for other in standing.values():
        if other.role != role and other.fingerprint == verified.fingerprint:
            raise MbpError(
                f"not signed: the key {verified.fingerprint} signed it for {other.role} already",
                fix="one key signs for one role on one subject; another person signs for this one",
            )
    # A statement whose signature is still to come is void: this order can never leave a good one by halves.
    path.with_name(f"{role}{SIGNATURE_SUFFIX}").unlink(missing_ok=True)
    write_text(path, content.decode("utf-8"))
    write_text(path.with_name(f"{role}{SIGNATURE_SUFFIX}"), signature)
    return path


def file_names(roles: Sequence[str] = ROLES) -> set[str]:
    """The names that files of statements may have."""
    return {f"{role}{suffix}" for role in roles for suffix in (SUFFIX, SIGNATURE_SUFFIX)}


def _read(
    folder: Path,
    kind: Kind,
    subject: Subject,
    role: str,
    signers: AllowedSigners,
    now: datetime,
    max_age: timedelta | None,
) -> Signed:
    content = _bytes(folder / f"{role}{SUFFIX}")
    if content is None:
        return Signed(role, False, f"not signed by {role}")
    try:
        statement = _parsed(content)
        signed_at = datetime.strptime(statement["signed_at"], INSTANT).replace(tzinfo=UTC)
    except ValueError as error:
        return Signed(role, False, f"the statement is void: {error}")
    fingerprint: str | None = None
    try:
        _demand_about(statement, kind, subject, role)
        if why := moments.objection(signed_at, now, None):
            raise ValueError(f"it is of the future: signed {why}")
        signature = _bytes(folder / f"{role}{SIGNATURE_SUFFIX}")
        if signature is None:
            raise ValueError("its signature is missing")
        text = signature.decode("utf-8", errors="replace")
        fingerprint = verify_signature(content, text, role, signers, signed_at, now).fingerprint
        if why := moments.objection(signed_at, now, max_age):
            raise ValueError(f"it is older than {max_age}: signed {why}")
    except (ValueError, SignatureRefused) as error:
        return Signed(role, False, str(error), signed_at, fingerprint)
    return Signed(role, True, "", signed_at, fingerprint)


def _parsed(content: bytes) -> dict[str, Any]:
    """The statement, when its bytes are the canonical form of one.

    Raises:
        ValueError: they are not.
    """
    if len(content) > LONGEST_BYTES:
        raise ValueError("too long")
    try:
        document = json.loads(content)
        same = canonical(document) == content
    except (ValueError, RecursionError, MbpError) as error:
        raise ValueError(f"no canonical JSON ({error})") from error
    if not same:
        raise ValueError("the bytes are not its canonical form (RFC 8785)")
    for violation in violations(document, SCHEMA):
        raise ValueError(violation.what)
    results: dict[str, Any] = document
    return results


def _demand_about(statement: Mapping[str, Any], kind: Kind, subject: Subject, role: str) -> None:
    if statement["kind"] != kind:
        raise ValueError(f"it is a {statement['kind']}, expected a {kind}")
    if statement["role"] != role:
        raise ValueError(f"it speaks for {statement['role']}, its name says {role}")
    stated = statement["subject"]
    if stated["name"] != subject.name:
        raise ValueError(f"it is about {stated['name']!r}, not about {subject.name!r}")
    if stated != subject.document():
        parts = stated["parts"]
        names = {*parts, *subject.parts}
        other = sorted(name for name in names if parts.get(name) != subject.parts.get(name))
        raise ValueError(f"signed for another {', '.join(other) or 'content'} than there is now")


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MbpError(
            f"cannot be read: {error.strerror}", path=path, fix="restore the file"
        ) from error
