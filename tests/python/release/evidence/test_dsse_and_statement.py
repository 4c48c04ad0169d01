"""Envelope and statement follow the published specifications."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from mbp.release.evidence import statement as dsse
from mbp.release.evidence.pack_build import Pack
from mbp.release.evidence.statement import NAME, STATEMENT
from tests.python.release.evidence.packs import COMMIT, Release, members_of


def test_the_encoding_is_that_of_the_specification() -> None:
    told = dsse.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert told == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


ENVELOPE = dsse.write_envelope(b"{}", [dsse.Signature("key", "armoured")])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        ENVELOPE + b"\n",
        ENVELOPE.replace(b'":', b'": ', 1),
        ENVELOPE.replace(b"in-toto", b"other"),
        ENVELOPE.replace(b'"keyid"', b'"key"'),
        ENVELOPE.replace(b'"payload":"e30="', b'"payload":"e31="'),
        ENVELOPE.replace(b'"payload":"e30="', b'"payload":"e3 0="'),
        ENVELOPE[:-1] + b',"more":1}',
        b"[" * 100_000,
    ],
)
def test_an_envelope_has_one_form(content: bytes) -> None:
    assert dsse.read_envelope(ENVELOPE).payload == b"{}"
    with pytest.raises(ValueError, match=r"."):
        dsse.read_envelope(content)


def test_the_statement_is_a_verification_summary(go: Release, pack: Pack) -> None:
    members = members_of(pack.content)
    envelope = json.loads(members[STATEMENT])
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    digests = {one["name"]: one["digest"] for one in statement["subject"]}
    assert pack.root == hashlib.sha256(members[NAME]).hexdigest()
    assert digests == {NAME: {"sha256": pack.root}}
    predicate = statement["predicate"]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["MBP_GATE_M2"]
    assert predicate["timeVerified"] == "2026-03-02T12:00:00Z"
    assert predicate["resourceUri"].endswith(COMMIT)
    assert predicate["policy"]["digest"] == {"sha256": go.report.definition_sha256}
    assert [one["uri"] for one in predicate["inputAttestations"]] == [
        "gate/M2.json",
        "gate/M2.md",
        "target/evidence/build.json",
        "target/evidence/sbom.cdx.json",
    ]
