"""Published versions: immutable, chained, idempotent, and every later change of one shows."""

from __future__ import annotations

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from jsonschema import Draft202012Validator

from mbp.contracts.published_versions import datasets, newest_published, published
from mbp.contracts.registry.life import enter, stage
from mbp.contracts.registry.registry_check import check_all, problems, verify_registry
from mbp.core.canonical_json import canonical
from mbp.core.errors import MbpError
from registry.conftest import DATASETS, TODAY, Registry, column


def tags(document: dict[str, Any]) -> None:
    document["tags"] = ["mbp", "a106", "more"]


def file_of(registry: Registry, version: str = "1.0.0") -> Path:
    return registry.root / "contracts" / "registry" / "mbp_quotes" / f"{version}.json"


def test_publishing_twice_is_publishing_once(registry: Registry) -> None:
    first = registry.publish()
    content = file_of(registry).read_bytes()
    again = registry.publish()
    assert (first.subject, again.what) == ("mbp.quotes.v1", "unchanged")
    assert file_of(registry).read_bytes() == content
    (one,) = published(registry.root, "mbp_quotes")
    assert one.document["publisher"] == "DATA"
    assert len(str(one.document["commit"])) == 40
    assert one.document["parent"] is None
    assert list(problems(registry.root, "mbp_quotes")) == []


def test_the_same_version_with_other_content_is_refused(registry: Registry) -> None:
    registry.publish()
    registry.edit(tags)
    before = file_of(registry).read_bytes()
    with pytest.raises(
        MbpError, match=r"1\.0\.0 is published with other content.*raise the version"
    ):
        registry.publish()
    assert file_of(registry).read_bytes() == before


def test_the_newest_is_the_highest_version_and_no_file_with_another_name(
    registry: Registry,
) -> None:
    assert newest_published(registry.root, "mbp_quotes") is None
    registry.publish()
    registry.edit(tags, version="1.9.0")
    registry.publish()
    registry.edit(lambda document: document["tags"].append("most"), version="1.10.0")
    registry.publish()
    newest = newest_published(registry.root, "mbp_quotes")
    assert newest and str(newest.version) == "1.10.0"
    assert newest == published(registry.root, "mbp_quotes")[-1]
    file_of(registry, "1.9.0").rename(file_of(registry, "copy"))
    with pytest.raises(MbpError, match="not what its name says"):
        newest_published(registry.root, "mbp_quotes")


def test_versions_are_chained(registry: Registry) -> None:
    registry.publish()
    registry.edit(tags, version="1.0.1")
    registry.publish()
    first, second = published(registry.root, "mbp_quotes")
    assert second.document["parent"] == {"version": "1.0.0", "sha256": first.sha256}
    assert [one["code"] for one in second.document["changes"]] == ["metadata_changed"]
    checked, problems = verify_registry(registry.root)
    assert (len(checked), problems) == (2, [])


def test_a_changed_file_shows_in_itself_and_in_the_next(registry: Registry) -> None:
    registry.publish()
    registry.edit(tags, version="1.0.1")
    registry.publish()
    path = file_of(registry)
    document = json.loads(path.read_text())
    document["publisher"] = "SEC"
    path.write_bytes(canonical(document) + b"\n")
    assert "changed after publishing" in next(problems(registry.root, "mbp_quotes"))[1]
    # Even with a hash made to fit, the next version gives it away.
    from mbp.core.canonical_json import digest

    document.pop("sha256")
    path.write_bytes(canonical({**document, "sha256": digest(document)}) + b"\n")
    assert [what for _, what in list(problems(registry.root, "mbp_quotes"))] == [
        "its parent 1.0.0 has another hash now"
    ]


def test_a_changed_head_shows_against_the_commit_that_published_it(registry: Registry) -> None:
    registry.publish()
    registry.git("add", "-A")
    registry.git("commit", "-qm", "publish")
    checked, problems = verify_registry(registry.root, "HEAD")
    assert (len(checked), problems) == (1, [])
    document = json.loads(file_of(registry).read_text())
    document.pop("sha256")
    document["publisher"] = "SEC"
    from mbp.core.canonical_json import digest

    file_of(registry).write_bytes(canonical({**document, "sha256": digest(document)}) + b"\n")
    assert verify_registry(registry.root)[1] == []
    assert "differs from what was published" in verify_registry(registry.root, "HEAD")[1][0][1]
    file_of(registry).unlink()
    registry.publish("mbp_markets")
    assert "is not here" in verify_registry(registry.root, "HEAD")[1][0][1]


def test_nothing_published_is_nothing_verified(registry: Registry) -> None:
    with pytest.raises(MbpError, match="nothing is published"):
        verify_registry(registry.root)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"dataset": "x"}'])
def test_a_file_that_is_no_version_is_refused(registry: Registry, text: str) -> None:
    registry.publish()
    file_of(registry, "1.0.1").write_text(text)
    with pytest.raises(MbpError, match=r"1\.0\.1\.json"):
        published(registry.root, "mbp_quotes")


def test_a_blocked_change_is_not_published(registry: Registry) -> None:
    registry.publish()
    registry.edit(
        lambda document: column(document, "volume").update(required=False), version="1.1.0"
    )
    with pytest.raises(MbpError, match=r"1\.1\.0 may not be published.*FORWARD break"):
        registry.publish()
    assert len(published(registry.root, "mbp_quotes")) == 1


def test_life_goes_forward_and_keeps_its_promises(registry: Registry) -> None:
    registry.publish()
    root = registry.root
    assert stage(root, "mbp_quotes", "1.0.0")["status"] == "active"
    with pytest.raises(MbpError, match="is active and cannot become retired"):
        enter(root, "mbp_quotes", "1.0.0", "retired", today=TODAY, by="DATA")
    with pytest.raises(MbpError, match="day of sunset in the future"):
        enter(root, "mbp_quotes", "1.0.0", "deprecated", today=TODAY, by="DATA", sunset=TODAY)
    sunset = date(2027, 6, 30)
    assert enter(root, "mbp_quotes", "1.0.0", "deprecated", today=TODAY, by="DATA", sunset=sunset)
    assert not enter(
        root, "mbp_quotes", "1.0.0", "deprecated", today=TODAY, by="DATA", sunset=sunset
    )
    with pytest.raises(MbpError, match="is guaranteed until 2027-06-30"):
        enter(root, "mbp_quotes", "1.0.0", "retired", today=TODAY, by="DATA")
    assert enter(root, "mbp_quotes", "1.0.0", "retired", today=date(2027, 7, 1), by="DATA")
    assert list(problems(root, "mbp_quotes")) == []
    life = root / "contracts" / "registry" / "mbp_quotes" / "lifecycle.jsonl"
    life.write_text(life.read_text().replace("2027-06-30", "2026-12-01"))
    assert "line 1 was changed" in next(problems(root, "mbp_quotes"))[1]


@pytest.mark.parametrize(
    ("day", "code", "severity", "action"),
    [
        (date(2026, 12, 24), "sunset_near", "warning", "none"),
        (date(2026, 12, 31), "sunset_near", "warning", "none"),
        (date(2027, 1, 1), "sunset_passed", "error", "block_deploy"),
    ],
)
def test_a_sunset_is_said_when_it_is_near_and_blocks_when_it_has_passed(
    registry: Registry, day: date, code: str, severity: str, action: str
) -> None:
    registry.publish()
    enter(
        registry.root,
        "mbp_quotes",
        "1.0.0",
        "deprecated",
        today=TODAY,
        by="DATA",
        sunset=date(2026, 12, 31),
    )
    assert not registry.check().findings  # 38 days ahead
    (found,) = check_all(registry.root, ["mbp_quotes"], None, today=day)
    (one,) = found.findings
    assert (one.code, one.severity, found.action) == (code, severity, action)
    assert "2026-12-31" in one.message
    assert "retire" in one.fix


def test_a_retired_version_is_compared_with_no_more(registry: Registry) -> None:
    registry.publish()
    registry.edit(lambda document: _describe(document, "Another use."), version="1.0.1")
    registry.publish()
    assert registry.check().compared == ("1.0.1", "1.0.0")
    last = date(2026, 12, 31)
    for stage_, day in (("deprecated", TODAY), ("retired", date(2027, 1, 1))):
        sunset = last if stage_ == "deprecated" else None
        enter(registry.root, "mbp_quotes", "1.0.0", stage_, today=day, by="DATA", sunset=sunset)
    assert registry.check().compared == ("1.0.1",)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_schemas_that_follow_accept_and_refuse(registry: Registry, dataset: str) -> None:
    registry.publish(dataset)
    (one,) = published(registry.root, dataset)
    Draft202012Validator.check_schema(one.document["json_schema"])
    parsed = fastavro.parse_schema(one.document["avro_schema"])
    assert [field["name"] for field in one.document["avro_schema"]["fields"]] == list(
        one.document["json_schema"]["properties"]
    ) or set(one.document["json_schema"]["properties"]) == {
        field["name"] for field in one.document["avro_schema"]["fields"]
    }
    assert parsed


QUOTE: dict[str, Any] = {
    "quote_id": "q1",
    "market_id": "m1",
    "quoted_at": "2026-01-05T12:00:00.123456Z",
    "price": 0.12345678,
    "volume": 0,
    "depth_2pct": 10.5,
    "twap_5m": 0.5,
}


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"price": 1}, False),
        ({"price": 0}, False),
        ({"volume": -1}, False),
        ({"quoted_at": "2026-01-05 12:00:00"}, False),
        ({"quote_id": "no spaces"}, False),
        ({"market_id": None}, False),
        # A column that came with a later version; the verdict on versions ignores it too.
        ({"more": 1}, True),
        ({"volume": 10000000000}, False),
    ],
)
def test_events_are_judged_by_the_json_schema(
    registry: Registry, change: dict[str, Any], valid: bool
) -> None:
    registry.publish()
    (one,) = published(registry.root, "mbp_quotes")
    assert Draft202012Validator(one.document["json_schema"]).is_valid(QUOTE | change) is valid


def test_rows_go_through_avro_unchanged(registry: Registry) -> None:
    from datetime import UTC, datetime

    registry.publish()
    (one,) = published(registry.root, "mbp_quotes")
    schema = fastavro.parse_schema(one.document["avro_schema"])
    row = {
        **QUOTE,
        "quoted_at": datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC),
        **{name: Decimal("0.12345678") for name in ("price", "volume", "depth_2pct", "twap_5m")},
    }
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, row)
    stream.seek(0)
    assert fastavro.schemaless_reader(stream, schema) == row


def test_what_is_published_here_is_whole(project_root: Path) -> None:
    assert datasets(project_root) == list(DATASETS)
    checked, found = verify_registry(project_root)
    assert (len(checked) >= 4, found) == (True, [])


def test_pre_releases_follow_each_other_until_their_release(registry: Registry) -> None:
    registry.publish()
    for version in ("1.1.0-rc.1", "1.1.0-rc.2", "1.1.0"):
        registry.edit(lambda document: _describe(document, f"As of {version}."), version=version)  # noqa: B023
        registry.publish()
    with pytest.raises(MbpError, match="The version is lower"):
        registry.edit(lambda document: _describe(document, "Later."), version="1.1.0-rc.3")
        registry.publish()
    assert [str(one.version) for one in published(registry.root, "mbp_quotes")] == [
        "1.0.0", "1.1.0-rc.1", "1.1.0-rc.2", "1.1.0",
    ]  # fmt: skip
    assert list(problems(registry.root, "mbp_quotes")) == []


def _describe(document: dict[str, Any], text: str) -> None:
    document["description"]["usage"] = text


def test_a_column_of_large_integers_is_published_with_every_digit(registry: Registry) -> None:
    registry.edit(
        lambda document: column(document, "volume").update(
            logicalType="integer", physicalType="bigint"
        )
    )
    registry.publish()
    (one,) = published(registry.root, "mbp_quotes")
    assert one.document["json_schema"]["properties"]["volume"]["type"] == "integer"
    text = canonical({"most": 2**63 - 1, "least": -(2**63), "safe": 2**53 - 1})
    assert (
        text == b'{"least":-9223372036854775808,"most":9223372036854775807,"safe":9007199254740991}'
    )
    assert list(problems(registry.root, "mbp_quotes")) == []
