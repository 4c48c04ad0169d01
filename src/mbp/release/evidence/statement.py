"""What the pack states, and the envelope in which it is signed. All of it follows from the members: no clock is read.

The statement is an in-toto Statement v1 about the manifest, with the gate's verdict as a SLSA verification summary
(https://slsa.dev/verification_summary/v1). The envelope is DSSE 1.0.2 (secure-systems-lab/dsse): what is signed is the
pre-authentication encoding, so that a signature never holds for the same bytes read as something else.
`securesystemslib` would do the same, cannot check SSH signatures, and costs each `mbp evidence` 3 s: its import loads
boto3 (measured 2026-11-28, securesystemslib 1.6.0).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from mbp.core.canonical_json import canonical
from mbp.core.errors import MbpError
from mbp.core.verdict import GO

NAME = "manifest.json"
STATEMENT = "statement.dsse.json"
GROUPS = "groups.json"
# Neither hashed in the manifest: it would have to hold its own digest, and the statement holds the manifest's.
OUTSIDE = (NAME, STATEMENT)
# Version 1 (until 0.1) had a Merkle root and a member `blocks.bin`.
VERSION, OLD_VERSIONS = 2, (1,)


@dataclass(frozen=True)
class PackMember:
    """One member."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """All members but manifest and statement, sorted by path."""

    gate: str
    entries: tuple[PackMember, ...]

    @cached_property
    def root(self) -> str:
        """SHA-256 of `manifest.json`, hexadecimal: it identifies the whole pack."""
        return hashlib.sha256(self.content()).hexdigest()

    def content(self) -> bytes:
        """The member `manifest.json`, canonical."""
        members = [
            {"path": entry.path, "sha256": entry.sha256, "size": entry.size}
            for entry in self.entries
        ]
        return canonical({"version": VERSION, "gate": self.gate, "members": members})


def describe(gate: str, members: Mapping[str, bytes]) -> Manifest:
    """The manifest of members; those that it cannot hold are left aside."""
    entries = (
        PackMember(path, hashlib.sha256(members[path]).hexdigest(), len(members[path]))
        for path in sorted(members)
        if path not in OUTSIDE
    )
    return Manifest(gate, tuple(entries))


def read(content: bytes) -> Manifest:
    """The manifest that `Manifest.content` wrote.

    Raises:
        ValueError: any other bytes.
        MbpError: the manifest of an older format.
    """
    try:
        document = json.loads(content)
        version = document["version"]
        if version in OLD_VERSIONS:
            raise MbpError(
                f"the pack has format {version}, this release reads format {VERSION}",
                path=NAME,
                fix="verify it with the release that built it, or build it again",
            )
        manifest = Manifest(
            document["gate"],
            tuple(
                PackMember(member["path"], member["sha256"], member["size"])
                for member in document["members"]
            ),
        )
        paths = [entry.path for entry in manifest.entries]
        right = manifest.content() == content and paths == sorted(set(paths))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is no manifest ({type(error).__name__}: {error})") from error
    if not right:
        raise ValueError(f"is not the canonical form of a manifest of version {VERSION}")
    return manifest


STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/verification_summary/v1"
VERIFIER = "urn:mbp-data-contracts:gate"
COMMIT = "urn:mbp-data-contracts:commit:"
PASSED, FAILED = "PASSED", "FAILED"
# Groups (contracts/a110/evidence_pack.yaml) whose members the verdict rests on.
GATE_GROUP, EVIDENCE_GROUP = "gate", "evidence"


def report_path(gate: str) -> str:
    """The member that holds the gate's report."""
    return f"gate/{gate}.json"


def relation_path(name: str) -> str:
    """The member that holds the rows of a relation."""
    return f"relations/{name}.csv"


def payload(
    manifest: Manifest, report: Mapping[str, Any], definition: str, inputs: Collection[str]
) -> bytes:
    """The statement, canonical.

    Args:
        report: document of the gate's report.
        definition: path of the gate's definition, in the project and in the pack.
        inputs: members that the verdict rests on.

    Raises:
        ValueError: the report has no verdict, time or definition that can be read.
    """
    try:
        decided = datetime.fromisoformat(str(report["decided_at"])).astimezone(UTC)
        passed = report["verdict"] == GO
        policy = {"uri": definition, "digest": {"sha256": report["definition_sha256"]}}
        commit = report["commit"] or "unknown"
    except KeyError as error:
        raise ValueError(f"the gate's report has no {error}") from error
    predicate = {
        "verifier": {"id": VERIFIER},
        "timeVerified": f"{decided:%Y-%m-%dT%H:%M:%SZ}",
        "resourceUri": f"{COMMIT}{commit}",
        "policy": policy,
        "inputAttestations": [
            {"uri": entry.path, "digest": {"sha256": entry.sha256}}
            for entry in manifest.entries
            if entry.path in inputs
        ],
        "verificationResult": PASSED if passed else FAILED,
        # The specification keeps names with SLSA_ for itself, and wants FAILED where the policy was not met.
        "verifiedLevels": [f"MBP_GATE_{manifest.gate}" if passed else FAILED],
    }
    subject = [{"name": NAME, "digest": {"sha256": manifest.root}}]
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": subject,
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def differing_parts(present: bytes, wanted: bytes) -> list[str]:
    """Names of the parts of a statement that are not as they should be."""
    try:
        stated, right = json.loads(present), json.loads(wanted)
        results = [key for key in right if key != "predicate" and stated.get(key) != right[key]]
        predicate, inner = stated["predicate"], right["predicate"]
        return results + [f"predicate.{key}" for key in inner if predicate.get(key) != inner[key]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ["it is no statement"]


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


def write_envelope(payload: bytes, signatures: Sequence[Signature]) -> bytes:
    """The envelope as canonical JSON."""
    entries = [
        {"keyid": signature.keyid, "sig": base64.b64encode(signature.armoured.encode()).decode()}
        for signature in signatures
    ]
    text = base64.b64encode(payload).decode()
    return canonical({"payloadType": PAYLOAD_TYPE, "payload": text, "signatures": entries})


def read_envelope(content: bytes) -> DsseEnvelope:
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
        same = write_envelope(envelope.payload, signatures) == content
    except (KeyError, TypeError, ValueError, RecursionError, MbpError) as error:
        raise ValueError(f"is no envelope ({type(error).__name__}: {error})") from error
    if not same:
        raise ValueError(f"is not the canonical form of an envelope of the type {PAYLOAD_TYPE}")
    return envelope
