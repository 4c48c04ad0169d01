"""The policy of privacy and its exceptions."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lab.corpora import random_values as draw
from mbp.contracts.policy import POLICY as OWNERS
from mbp.core.errors import MbpError
from mbp.quality.privacy.privacy_policy import (
    POLICY,
    PrivacyPolicy,
    ValueException,
    load_policy,
)
from mbp.quality.privacy.scan import scan_text
from mbp.quality.privacy.scan_report import judge

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", r"privacy.yaml:2: version: expected 1"),
        ("kind: datasets", "kind: dataset", "expected one of"),
        ("    table: ops.log_samples\n", "", "needs 'table'"),
        ("id: seeds", "id: log_samples", "'log_samples' appears twice"),
        ("  minimum_length: 12\n", "", "missing key 'minimum_length'"),
        ("lines: 3000", "lines: 1999", "1999 is less than the minimum"),
        ("exceptions:\n", "allowances:\n", "unknown key 'allowances'"),
        ("  - code: ip\n", "  - kind: ip\n", "unknown key 'kind'"),
        ("kind: evidence", "kind: evidence\n    optional: none yet", "unknown key 'optional'"),
        ("object: evidence", "object: evidences", "there is no 'evidences'"),
        ("    count: 3\n", "", "write count and digests together"),
        ("owner: SEC", "owner: NOBODY", "unknown owner 'NOBODY'"),
    ],
)
def test_a_wrong_policy_is_one_line(
    project_root: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = (project_root / POLICY).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / POLICY).parent.mkdir(parents=True)
    (tmp_path / OWNERS).parent.mkdir()
    (tmp_path / OWNERS).write_text((project_root / OWNERS).read_text(), encoding="utf-8")
    (tmp_path / POLICY).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MbpError, match=told) as caught:
        load_policy(tmp_path)
    assert "\n" not in str(caught.value)


def allowing(policy: PrivacyPolicy, **more: Any) -> PrivacyPolicy:
    entry = ValueException("cpf", "docs/*", "SEC", "made up", TODAY, POLICY, 9, **more)
    return dataclasses.replace(policy, exceptions=(entry,))


def test_an_exception_is_exact_and_ends(random: Random, policy: PrivacyPolicy) -> None:
    (found,) = scan_text(f"cpf {draw.cpf(random)}", "docs/a.md", policy)
    other = dataclasses.replace(found, line=2, digest="…0000")
    fixed = allowing(policy, count=1, digests=frozenset({found.digest}))
    assert judge([found], fixed, TODAY).open == []
    assert [count for _, count in judge([found], fixed, TODAY).allowed] == [1]
    for findings, told in (
        ([], "excepts nothing"),
        ([found, other], "is for 1, found 2"),
        ([other], "is for other values"),
    ):
        judged = judge(findings, fixed, TODAY)
        assert judged.open == findings
        assert told in judged.problems[0]
    until = allowing(policy)
    assert judge([found, other], until, TODAY).open == []
    assert "expired" in judge([found], until, date(2026, 11, 26)).problems[0]
    elsewhere = dataclasses.replace(found, place="src/a.py")
    assert elsewhere in judge([elsewhere, found], until, TODAY).open
