"""What the pack states: an in-toto Statement v1 about its manifest, with the gate's verdict as a SLSA
verification summary (https://slsa.dev/verification_summary/v1). All of it follows from the members: no clock is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from mbp.core.canonical_json import canonical
from mbp.core.verdict import GO
from mbp.release.evidence.pack_manifest import NAME, Manifest

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
