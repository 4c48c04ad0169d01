"""contracts/gates/security.yaml: the one of the repository is right, and mistakes are told with their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbp.contracts.policy import POLICY as OWNERS
from mbp.core.errors import MbpError
from mbp.ingest.initialise import (
    BUILT_SCHEMAS,
    CONTROL_TABLES,
    LOADER,
    RAW_SCHEMAS,
    READER,
    TRANSFORMER,
)
from mbp.release.security.lock import read_lock
from mbp.release.security.security_policy import POLICY, load_security
from tests.python.release.security.conftest import Project, exception


def test_the_policy_of_the_repository_speaks_of_all_roles_and_schemas(project_root: Path) -> None:
    policy = load_security(project_root)

    assert set(policy.least_privilege.warehouse) == {LOADER, TRANSFORMER, READER}
    assert set(policy.least_privilege.source) == {"mbp_cdc_reader"}
    assert set(policy.least_privilege.warehouse[TRANSFORMER].schemas) == {
        *RAW_SCHEMAS,
        *BUILT_SCHEMAS,
    }
    deletable = {
        name
        for one in policy.least_privilege.warehouse[LOADER].relations
        if "DELETE" in one.privileges
        for name in one.relations
    }
    assert deletable == {name for name, (_, replaced) in CONTROL_TABLES.items() if replaced}


def test_the_locks_of_the_repository_can_be_read(project_root: Path) -> None:
    policy = load_security(project_root)

    for name in (policy.locks.environment, *policy.locks.beside):
        pinned = read_lock(project_root, name)
        assert pinned and all(one.hashes for one in pinned)
    by_name = {one.name: one for one in read_lock(project_root, "requirements.lock")}
    assert "dbt-core" in by_name["agate"].via


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("fail_on: high", "fail_on: grave", "fail_on"),
        ("version: 1\n", "version: 1\nextra: 1\n", "unknown key 'extra'"),
        ("[LOGIN, REPLICATION]", "[LOGIN, ROOT]", "attributes"),
        ("privileges: [SELECT, INSERT]", "privileges: []", "privileges"),
        ("      licence: Artistic-1.0-Perl OR GPL-2.0-or-later\n", "", "licence"),
        ("    - code: B324\n", "    - test: B324\n", "unknown key 'test'"),
        ("  exceptions: []\n", "  accepted: []\n", "unknown key 'accepted'"),
        ("- in: [raw_mbp, raw_ops]", "- out: [raw_mbp, raw_ops]", "unknown key 'out'"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    project_root: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = (project_root / POLICY).read_text(encoding="utf-8")
    assert old in text
    project = Project(tmp_path)
    project.write(POLICY, text.replace(old, new, 1))
    project.write(OWNERS, (project_root / OWNERS).read_text(encoding="utf-8"))

    with pytest.raises(MbpError, match=told) as error:
        load_security(tmp_path)
    assert error.value.line


def test_an_exception_stands_once(project: Project) -> None:
    def twice(document: dict[str, Any]) -> None:
        entry = exception("X-1", "a")
        document["audit"]["exceptions"] = [entry, {**entry, "reason": "another"}]

    with pytest.raises(MbpError, match="is there twice"):
        project.change(twice)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no pinned package"),
        (f"a>=1 \\\n    --hash=sha256:{'a' * 64}\n", "not pinned to one version"),
        ("a==1\n", "with a hash"),
        (
            f"a==1 \\\n    --hash=sha256:{'a' * 64}\na==1 \\\n    --hash=sha256:{'a' * 64}\n",
            "twice",
        ),
        (f"-r other.txt --hash=sha256:{'a' * 64}\n", "no requirement"),
    ],
)
def test_a_lock_that_pins_nothing_is_refused(project: Project, text: str, told: str) -> None:
    project.write("requirements.lock", text)

    with pytest.raises(MbpError, match=told):
        read_lock(project.root, "requirements.lock")
