"""Any ODCS file is read by the schema of its own version, with line and key, fast and with every digit."""

from __future__ import annotations

import json
import resource
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.contracts.registry.odcs_documents import from_file
from mbp.contracts.rendering.yaml_text import scalar
from mbp.contracts.standards import check_odcs
from mbp.core import yaml_io
from mbp.core.canonical_json import canonical
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS, EXIT_PASS, MbpError
from mbp.core.paths import project_root

SHARED = project_root(Path(__file__).parent).parent / "shared" / "faults" / "contracts"
HEAD = "kind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n"


def text(column: str, version: str = "v3.1.0", more: str = "") -> str:
    """A contract with one column `c`."""
    return f"apiVersion: {version}\n{HEAD}{more}schema:\n- name: t\n  properties:\n  - name: c\n{column}"


def read(content: str) -> Any:
    return check_odcs(yaml_io.loads(content, shown_as="x.yaml"), "x.yaml")


GOOD = {
    "no logical type": text("    physicalType: varchar(9)\n"),
    "only a name": text(""),
    "no logical type in 3.2": text("    physicalType: varchar(9)\n", "v3.2.0"),
    "an exclusive minimum of 3.0": text(
        "    logicalType: integer\n    logicalTypeOptions: {minimum: 0, exclusiveMinimum: true}\n",
        "v3.0.2",
    ),
    "3.0.0": text("    logicalType: string\n", "v3.0.0"),
    "more words in the description": text("", more="description: {purpose: x, audience: y}\n"),
    "an enum of 3.2": text("    enum: [{value: a}]\n    logicalType: string\n", "v3.2.0"),
}
BAD = {
    "ODCS 2": (text("", "v2.2.2"), 1, "before 3.0 is not read"),
    "a version to come": (text("", "v3.9.0"), 1, "expected ODCS 3.0, 3.1 or 3.2"),
    "a mistyped key": (
        text("    requierd: true\n"),
        10,
        "unknown key 'requierd' in schema[0].properties[0]",
    ),
    "a bound without end": (
        text("    logicalType: number\n    logicalTypeOptions:\n      maximum: .inf\n"),
        12,
        "logicalTypeOptions.maximum: expected a finite number",
    ),
    "no number": (
        text("    logicalType: number\n    logicalTypeOptions: {minimum: .nan}\n"),
        11,
        "expected a finite number",
    ),
    "a flag of 3.0 in 3.1": (
        text("    logicalType: integer\n    logicalTypeOptions: {exclusiveMinimum: true}\n"),
        11,
        "exclusiveMinimum: expected number, found True",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_standard_accepts_is_read(name: str) -> None:
    assert read(GOOD[name])["schema"]


@pytest.mark.parametrize("name", BAD)
def test_what_it_refuses_is_named_with_line_and_key(name: str) -> None:
    content, line, message = BAD[name]
    with pytest.raises(MbpError) as caught:
        read(content)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_nesting_costs_nothing_and_the_innermost_error_is_named() -> None:
    column: dict[str, Any] = {"name": "leaf", "logicalType": "string", "requierd": True}
    for level in range(60):
        column = {"name": f"n{level}", "logicalType": "object", "properties": [column]}
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "c",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "t", "properties": [column]}],
    }
    started = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(MbpError, match="unknown key 'requierd'"):
        check_odcs(document, "x.yaml")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - started < 5


@pytest.mark.parametrize(
    "name",
    sorted(path.name.removesuffix(".old.yaml") for path in SHARED.glob("08*/*.old.yaml"))
    or [
        pytest.param("", marks=pytest.mark.skip(reason="the faults are not beside the repository"))
    ],
)
def test_the_files_that_were_refused_are_read(name: str) -> None:
    for side in ("old", "new"):
        assert from_file(SHARED / "08_valid_odcs_refused" / f"{name}.{side}.yaml", SHARED)


@pytest.mark.parametrize("anchor", ["", "x: &a 1\n"])
def test_a_number_keeps_every_digit(anchor: str) -> None:
    found = yaml_io.loads(f"{anchor}a: 1234567890.12345678\nb: 1.5\n", shown_as="x")
    assert found["a"] == Decimal("1234567890.12345678")
    assert scalar(yaml_io.plain(found["a"])) == '"1234567890.12345678"'
    assert isinstance(yaml_io.plain(found["b"]), float)


def test_canonical_json_keeps_every_digit() -> None:
    number = Decimal("0.999999999999999999")
    assert canonical({"b": [number], "a": 1.5}) == b'{"a":1.5,"b":[0.999999999999999999]}'


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MBP_PROJECT_DIR", raising=False)
    cli.register()
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["contracts", *arguments])


def test_lint_and_diff_work_outside_of_a_project(outside: Path) -> None:
    (outside / "a.yaml").write_text(text("    logicalType: string\n"))
    (outside / "b.yaml").write_text(
        text("    logicalType: string\n    logicalTypeOptions: {minLength: 3, maxLength: 2}\n")
    )
    assert run("lint", "a.yaml").exit_code == EXIT_PASS
    bad = run("lint", "b.yaml", "--profile", "odcs")
    assert bad.exit_code == EXIT_FINDINGS
    assert "ODCS-005" in bad.stdout
    found = run("diff", "a.yaml", "b.yaml", "--format", "json")
    assert found.exit_code == EXIT_FINDINGS
    told = json.loads(found.stdout)
    assert (told["verdict"], told["backward"], told["forward"]) == ("break", "break", "ok")


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("arguments", [["--profile", "odcs"], ["--profile", "other", "a.yaml"]])
def test_what_cannot_be_linted_is_refused(arguments: list[str]) -> None:
    result = run("lint", *arguments)
    assert isinstance(result.exception, MbpError) or result.exit_code == EXIT_COULD_NOT_RUN


VALUES = ["true", "010", "1.10", "null"]


@pytest.mark.parametrize("value", VALUES)
def test_a_listed_value_is_one_of_the_column_s_type(outside: Path, value: str) -> None:
    column = f"    logicalType: string\n    enum: [{{value: a}}, {{value: {value}}}]\n"
    (outside / "a.yaml").write_text(text(column, "v3.2.0"))
    assert "ODCS-006" in run("lint", "a.yaml").stdout


def test_columns_inside_of_columns_are_linted_too(tmp_path: Path) -> None:
    file = tmp_path / "c.odcs.yaml"
    inner = "{name: q, logicalType: string, logicalTypeOptions: {pattern: abc}}"
    column = f"    logicalType: array\n    items: {{logicalType: object, properties: [{inner}]}}\n"
    file.write_text(text(column), encoding="utf-8")
    cli.register()
    result = CliRunner().invoke(cli.app, ["contracts", "lint", str(file)])
    assert result.exit_code == EXIT_FINDINGS
    assert "TRAP-003: t.c[].q: the pattern 'abc' would match a part of a value" in result.stdout
