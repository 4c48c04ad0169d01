"""Cases of other projects: where we agree, and that we are never looser where it can be said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.suites.suite_score import OUTCOMES, Scored, counts, read_cases, score
from mbp.core.errors import MbpError
from mbp.core.paths import project_root

SHARED = project_root(Path(__file__).parent).parent / "shared" / "data" / "compat"
# Differences that docs/compatibility.md explains: case -> outcome.
EXPLAINED = {
    "16: tests/test_breaking.py::test_change_direction[untested-service-level]": "stricter",
    "24: tests/test_breaking.py::test_change_direction[threshold-replaced-by-overlapping]": "looser",
    "28: tests/test_breaking.py::test_change_direction[valid-value-added]": "unknown",
}
SEMANTIC = ("confluent-logical-types", "jsoncompat-backcompat")


@pytest.fixture(scope="module")
def scored() -> Iterator[list[Scored]]:
    if not SHARED.is_dir():
        pytest.skip("the compatibility cases are not beside the repository")
    found = score([case for file in sorted(SHARED.glob("*.jsonl")) for case in read_cases(file)])
    yield found
    print(f"\n{'suite':30}" + "".join(f"{name:>17}" for name in OUTCOMES))
    for suite, count in counts(found).items():
        print(f"{suite:30}" + "".join(f"{count[name]:17}" for name in OUTCOMES))


def test_every_case_is_scored(scored: list[Scored]) -> None:
    found = {
        suite: len({one.case for one in scored if one.suite == suite}) for suite in counts(scored)
    }
    assert found == {
        "confluent-logical-types": 140,
        "datacontract-cli-breaking": 43,
        "jsoncompat-backcompat": 32,
    }


def test_never_looser_on_a_semantic_suite(scored: list[Scored]) -> None:
    assert [one for one in scored if one.suite in SEMANTIC and one.outcome == "looser"] == []


def test_every_difference_is_explained(scored: list[Scored]) -> None:
    differing = {
        one.case: one.outcome for one in scored if one.outcome not in ("agree", "not expressible")
    }
    assert differing == EXPLAINED
    told = (project_root(Path(__file__).parent) / "docs" / "compatibility.md").read_text()
    for case in EXPLAINED:
        assert case.rpartition("[")[2].removesuffix("]") in told


def test_what_cannot_be_said_in_odcs_is_counted_apart_with_its_reason(scored: list[Scored]) -> None:
    apart = [one for one in scored if one.outcome == "not expressible"]
    assert all(one.note for one in apart)
    assert {one.suite for one in apart} == {"jsoncompat-backcompat"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no case in the file"),
        ("{", r"cases\.jsonl:1: not JSON"),
        ("[]", "expected a case"),
        (json.dumps({"format": "xml"}), "unknown format 'xml'"),
    ],
)
def test_bad_cases_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(text)
    with pytest.raises(MbpError, match=message):
        score(read_cases(file))


def json_case(old: object, new: object, **said: object) -> dict[str, object]:
    return {"format": "jsonschema", "id": "x", "old": old, "new": new, "backward": False, **said}


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        ({"type": "integer"}, {"type": "integer", "anyOf": [True]}, "not expressible"),
        (
            {"type": "array", "items": [{"type": "integer"}]},
            {"type": "array", "items": [{"type": "boolean"}]},
            "not expressible",
        ),
        (
            {"type": "number", "maximum": 9},
            {"type": "number", "maximum": 9, "exclusiveMaximum": True},
            "not expressible",
        ),
        ({"type": "object"}, {"type": "object", "required": True}, "not expressible"),
        ({"type": "string"}, {"type": "string", "minLength": "x"}, "not read"),
        ({"type": "string"}, {"type": "string", "maxLength": 3, "x-owner": "me"}, "agree"),
        ({"enum": [1, "a"]}, {"enum": [1]}, "agree"),
        ({"type": "array"}, {"type": "array", "items": False}, "agree"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "integer"}},
            "agree",
        ),
        (
            {"allOf": [{"type": "integer", "multipleOf": 2}, {"multipleOf": 3}]},
            {"type": "integer", "multipleOf": 4},
            "agree",
        ),
    ],
)
def test_each_case_is_judged_or_counted_apart(old: object, new: object, outcome: str) -> None:
    assert [one.outcome for one in score([json_case(old, new)])] == [outcome]


def test_a_direction_without_a_verdict_is_not_scored() -> None:
    assert score([json_case(True, False, backward=None)]) == []
