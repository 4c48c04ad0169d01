"""Root, envelope and statement follow the published specifications, judged by vectors and by another way to count."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from mbp.release.evidence import dsse, merkle
from mbp.release.evidence.pack_build import Pack
from mbp.release.evidence.pack_manifest import NAME, STATEMENT
from tests.python.release.evidence.packs import COMMIT, Release, members_of

# The inputs and roots that implementations of RFC 6962 (certificate transparency) are tested with.
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("count", range(len(ROOTS)))
def test_the_root_is_that_of_the_published_vectors(count: int) -> None:
    leaves = [bytes.fromhex(one) for one in INPUTS[:count]]
    assert merkle.root(leaves).hex() == ROOTS[count]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 31, 33, 100, 257])
def test_the_root_is_that_of_a_tree_built_from_below(count: int) -> None:
    leaves = [f"leaf {number}".encode() for number in range(count)]
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [
            hashlib.sha256(b"\x01" + b"".join(pair)).digest() if len(pair) > 1 else pair[0]
            for pair in pairs
        ]
    assert merkle.root(leaves) == level[0]


def test_the_encoding_is_that_of_the_specification() -> None:
    told = dsse.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert told == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


ENVELOPE = dsse.write(b"{}", [dsse.Signature("key", "armoured")])


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
    assert dsse.read(ENVELOPE).payload == b"{}"
    with pytest.raises(ValueError, match=r"."):
        dsse.read(content)


def test_the_statement_is_a_verification_summary(go: Release, pack: Pack) -> None:
    members = members_of(pack.content)
    envelope = json.loads(members[STATEMENT])
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    digests = {one["name"]: one["digest"] for one in statement["subject"]}
    assert digests[NAME]["sha256"] == hashlib.sha256(members[NAME]).hexdigest()
    assert digests["members"] == {"rfc6962-sha256": pack.root}
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
