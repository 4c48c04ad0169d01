"""The bill of materials, the licences and the advisories: each over real and over made-up packages."""

from __future__ import annotations

import json
from datetime import date
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mbp.core.errors import MbpError
from mbp.release.security import security_tools
from mbp.release.security.licences import expression_of, judge, licences
from mbp.release.security.lock import installed, read_lock
from mbp.release.security.sbom import bill, sbom
from mbp.release.security.security_tools import audit
from tests.python.release.security.conftest import Project, exception

DAY = date(2026, 5, 20)


def package(version: str = "1.0", **fields: str | list[str]) -> metadata.Distribution:
    """What is installed, as far as it is asked."""
    message = Message()
    for name, value in fields.items():
        for one in [value] if isinstance(value, str) else value:
            message[name.replace("_", "-")] = one
    return cast(metadata.Distribution, SimpleNamespace(version=version, metadata=message))


# bill of materials


def test_the_lock_of_the_repository_is_valid_cyclonedx_and_always_the_same(
    project_root: Path,
) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    pinned = read_lock(project_root, "requirements.lock")
    text = bill(pinned, installed(), {})

    assert text == bill(list(reversed(pinned)), installed(), {})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert len(document["components"]) == len(pinned)
    assert "timestamp" not in document["metadata"]
    agate = next(one for one in document["components"] if one["name"] == "agate")
    assert agate["purl"] == f"pkg:pypi/agate@{agate['version']}"
    assert len(agate["hashes"]) == 2
    assert agate["licenses"] == [{"license": {"id": "MIT"}}]
    edges = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    core = next(ref for ref in edges if ref.startswith("pkg:pypi/dbt-core@"))
    assert agate["purl"] in edges[core]


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "packaging 1.0 is not installed"),
        ({"packaging": package("2.0")}, "locked as 1.0, installed is 2.0"),
        ({"packaging": package(), "stranger": package()}, "stranger 1.0 is installed"),
    ],
)
def test_an_environment_that_is_not_the_lock_is_a_finding(
    project: Project, environment: dict[str, metadata.Distribution], told: str
) -> None:
    pinned = read_lock(project.root, "requirements.lock")

    result = sbom(project.root, project.policy, pinned, environment)

    assert result.verdict == "fail"
    assert [told in one.message for one in result.problems] == [True]
    assert (project.root / "target/evidence/sbom.cdx.json").is_file()


def test_the_environment_that_the_lock_says_passes(project: Project) -> None:
    project.lock("packaging==1.0", "colorama==9 ; sys_platform == 'none'")
    pinned = read_lock(project.root, "requirements.lock")

    result = sbom(
        project.root, project.policy, pinned, {"packaging": package("1.0.0"), "pip": package("3")}
    )

    assert (result.verdict, result.looked_at["components"]) == ("pass", 2)


# licences


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License": "Apache License, Version 2.0"}, "Apache-2.0"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, None),
        ({"License": "see file"}, None),
        ({"License_Expression": "Proprietary"}, None),
        ({"License": "MIT; or what you like"}, None),
        (
            {
                "Classifier": [
                    f"License :: OSI Approved :: {name}"
                    for name in ("MIT License", "ISC License (ISCL)")
                ]
            },
            None,
        ),
        ({}, None),
    ],
)
def test_a_licence_is_known_only_where_it_is_told(
    fields: dict[str, Any], expected: str | None
) -> None:
    assert expression_of(package(**fields)) == expected


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("MIT", ""),
        ("GPL-3.0-only OR MIT", ""),
        ("GPL-3.0-only AND MIT", "GPL-3.0-only is forbidden"),
        ("MIT AND (GPL-3.0-only OR Zlib)", ""),
        ("EUPL-1.2", "not an allowed licence"),
        ("Beerware-ish", "no SPDX expression"),
        ("MIT OR", "no SPDX expression"),
        ("", "not an allowed licence"),
    ],
)
def test_an_expression_is_judged_by_its_parts(expression: str, told: str) -> None:
    allowed, forbidden = frozenset({"MIT", "Zlib"}), frozenset({"GPL-3.0-only"})
    assert judge(expression, allowed, forbidden).startswith(told)
    assert bool(judge(expression, allowed, forbidden)) == bool(told)


def test_an_unknown_licence_is_a_finding_until_somebody_read_it(project: Project) -> None:
    pinned = read_lock(project.root, "requirements.lock")
    silent = {"packaging": package()}

    unknown = licences(project.policy, pinned, silent)
    answer = exception("licence_not_in_metadata", "packaging", licence="MIT")
    reviewed = project.change(lambda document: document["licences"]["exceptions"].append(answer))

    assert (unknown.verdict, len(unknown.problems)) == ("fail", 1)
    assert licences(reviewed, pinned, silent).verdict == "pass"
    # An answer that is not needed any more, or answers nothing, does not stay.
    told = licences(reviewed, pinned, {"packaging": package(License_Expression="MIT")})
    assert "excepts nothing" in told.problems[0].message
    assert licences(reviewed, pinned, {}).verdict == "not_measured"


def test_the_licences_of_the_repository_are_allowed(project_root: Path) -> None:
    from mbp.release.security.security_policy import load_security

    pinned = read_lock(project_root, "requirements.lock")
    result = licences(load_security(project_root), pinned, installed())

    assert (result.verdict, result.problems) == ("pass", ())


# advisories


CANARY = [{"name": "jinja2", "vulns": [{"id": "A"}]}]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    """pip-audit is asked for the canary and then for the packages."""
    waiting = iter(answers)
    monkeypatch.setattr(security_tools, "pip_audit", lambda _: next(waiting))


def test_an_accepted_advisory_ends_on_its_day_and_goes_when_it_touches_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}
    found = [{"name": "packaging", "vulns": [hit]}]
    entry = exception("CVE-2026-1", "packaging", "2026-05-20")
    policy = project.change(lambda document: document["audit"]["exceptions"].append(entry))

    answering(monkeypatch, CANARY, found)
    assert audit(project.root, policy, DAY).verdict == "pass"
    answering(monkeypatch, CANARY, found)
    late = audit(project.root, policy, DAY.replace(day=21))
    assert any("expired on 2026-05-20" in one.message for one in late.problems)
    (advisory,) = [one for one in late.problems if one.code == "PYSEC-1"]
    assert advisory.message == "packaging 1.0: PYSEC-1, CVE-2026-1"
    assert advisory.fix == "lock 1.1 or later"
    answering(monkeypatch, CANARY, [{"name": "packaging", "vulns": []}])
    idle = audit(project.root, policy, DAY)
    assert "excepts nothing" in idle.problems[0].message


@pytest.mark.parametrize(
    ("answers", "verdict", "told"),
    [
        ([[{"name": "jinja2", "skip_reason": "not found"}]], "not_measured", "knows none"),
        ([[{"name": "jinja2", "vulns": []}]], "not_measured", "knows none"),
        (
            [
                [{"name": "jinja2", "vulns": [{"id": "A"}]}],
                [{"name": "packaging", "skip_reason": "?"}],
            ],
            "not_measured",
            "skipped",
        ),
        (
            [[{"name": "jinja2", "vulns": [{"id": "A"}]}], [{"name": "other", "vulns": []}]],
            "not_measured",
            "skipped",
        ),
        (
            [[{"name": "jinja2", "vulns": [{"id": "A"}]}], [{"name": "packaging", "vulns": []}]],
            "pass",
            "",
        ),
        (
            [
                [{"name": "jinja2", "vulns": [{"id": "A"}]}],
                [{"name": "packaging", "vulns": [{"id": "B"}]}],
            ],
            "fail",
            "",
        ),
    ],
)
def test_a_tool_that_ends_well_over_nothing_is_no_pass(
    project: Project, monkeypatch: pytest.MonkeyPatch, answers: list[Any], verdict: str, told: str
) -> None:
    answering(monkeypatch, *answers)

    result = audit(project.root, project.policy, DAY)

    assert result.verdict == verdict
    assert told in result.reason


def test_pip_audit_that_cannot_run_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_tools.sys, "executable", "/bin/false")

    with pytest.raises(MbpError, match="no answer of pip_audit: it wrote no report"):
        security_tools.pip_audit([("a", "1")])
