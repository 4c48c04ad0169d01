"""packages/dbt_expectations: the interface, and every spec of the package on every engine.

The specs (`packages/dbt_expectations/specs/*.yml`) say for each test how many rows it must return
on small relations. All of them run in one `dbt build` per engine, in a project made for that.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mbp.core import yaml_io

PACKAGE = Path(__file__).resolve().parents[3] / "packages" / "dbt_expectations"
SPECS = PACKAGE / "specs"
TEST_BLOCK = re.compile(r"\{%-?\s*test\s+(\w+)\((.*?)\)\s*-?%\}", re.DOTALL)
MACRO = re.compile(r"\{%-?\s*(macro|test)\s+(\w+)\(.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
NO_FAILURE = 0
DATABASE = "the database itself"
RUN_DBT = "from dbt.cli.main import cli; cli()"


@dataclass(frozen=True)
class Spec:
    """One entry of a spec file: `test` on `relation` returns `failing_rows` rows.

    `differs`: the difference from the public package that it shows, by its name in the README.
    """

    test: str
    shows: str
    relation: str
    column: str | None
    arguments: dict[str, Any]
    failing_rows: int
    differs: str | None = None

    @property
    def name(self) -> str:
        """The dbt test's name: unique, and short enough for every engine."""
        return re.sub(r"\W+", "_", f"{self.test} {self.shows}")

    def as_dbt(self) -> dict[str, Any]:
        """The test as an entry of a properties file. A warning counts rows like an error does, and
        leaves the exit code to say whether all of them ran."""
        details: dict[str, Any] = {"name": self.name, "config": {"severity": "warn"}}
        if self.arguments:
            details["arguments"] = self.arguments
        return {f"dbt_expectations.{self.test}": details}


def read_specs() -> list[Spec]:
    specs: list[Spec] = []
    for path in sorted(SPECS.glob("*.yml")):
        for test, entries in yaml_io.plain(yaml_io.load(path)).items():
            for entry in entries:
                specs.append(
                    Spec(
                        test,
                        entry.pop("shows"),
                        entry.pop("relation"),
                        entry.pop("column", None),
                        entry.pop("arguments", {}),
                        entry.pop("failing_rows"),
                        entry.pop("differs", None),
                    )
                )
                assert not entry, f"{path.name}: {test}: unknown keys {sorted(entry)}"
    return specs


ALL_SPECS = read_specs()


def write_project(folder: Path, specs: list[Spec], output: dict[str, Any]) -> Path:
    """A dbt project with the package, the spec relations and one dbt test per spec."""
    models: dict[str, dict[str, Any]] = {}
    for spec in specs:
        model = models.setdefault(spec.relation, {"name": spec.relation})
        if spec.column is None:
            model.setdefault("data_tests", []).append(spec.as_dbt())
            continue
        columns = model.setdefault("columns", [])
        column = next((entry for entry in columns if entry["name"] == spec.column), None)
        if column is None:
            column = {"name": spec.column, "data_tests": []}
            columns.append(column)
        column["data_tests"].append(spec.as_dbt())
    documents = {
        "dbt_project.yml": {
            "name": "specs",
            "version": "1.0.0",
            "config-version": 2,
            "profile": "specs",
            "macro-paths": ["macros"],
            "models": {"+materialized": "table"},
            "flags": {"send_anonymous_usage_stats": False},
        },
        "profiles.yml": {"specs": {"target": "specs", "outputs": {"specs": output}}},
        "models/specs.yml": {"version": 2, "models": list(models.values())},
    }
    shutil.copytree(SPECS / "relations", folder / "models")
    # What `dbt deps` makes of a local package, without starting another process.
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages" / "dbt_expectations").symlink_to(PACKAGE)
    (folder / "packages.yml").write_text(json.dumps({"packages": [{"local": str(PACKAGE)}]}))
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return folder


def run_dbt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "DBT_" not in name}
    return subprocess.run(
        [sys.executable, "-c", RUN_DBT, "--no-use-colors", *arguments],
        cwd=folder,
        env=environment | {"DBT_PROFILES_DIR": str(folder), "DBT_PARTIAL_PARSE": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def build(folder: Path, output: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Results of all specs by test name, from one `dbt build`."""
    write_project(folder, ALL_SPECS, output)
    done = run_dbt(folder, "build", "--threads", "2")
    # 1 is a spec that could not run: it fails by itself, with the engine's message.
    assert done.returncode in {0, 1}, done.stdout[-4000:] + done.stderr[-2000:]
    results = json.loads((folder / "target" / "run_results.json").read_text(encoding="utf-8"))
    return {result["unique_id"].split(".")[2]: result for result in results["results"]}


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("specs_duckdb")
    database = str(folder / "specs.duckdb")
    output = {
        "type": "duckdb",
        "path": database,
        "schema": "specs",
        "settings": {"TimeZone": "UTC"},
    }
    return build(folder, output) | {DATABASE: {"path": database}}


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    from lab.postgres_server import PostgresServer

    with PostgresServer() as server:
        yield build(
            tmp_path_factory.mktemp("specs_postgres"),
            {
                "type": "postgres",
                "host": server.host,
                "port": server.port,
                "user": server.user,
                "password": server.password,
                "dbname": server.database,
                "schema": "specs",
                "threads": 2,
            },
        )


def check(spec: Spec, results: dict[str, dict[str, Any]]) -> None:
    result = results[spec.name]
    about = f"{result['message']}\n{result['compiled_code']}"
    assert result["failures"] == spec.failing_rows, about
    assert result["status"] == ("warn" if spec.failing_rows else "pass")


@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda spec: spec.name)
def test_returns_exactly_the_failing_rows_on_duckdb(
    spec: Spec, on_duckdb: dict[str, dict[str, Any]]
) -> None:
    check(spec, on_duckdb)


@pytest.mark.postgres
@pytest.mark.parametrize("spec", ALL_SPECS, ids=lambda spec: spec.name)
def test_returns_exactly_the_failing_rows_on_postgres(
    spec: Spec, on_postgres: dict[str, dict[str, Any]]
) -> None:
    check(spec, on_postgres)


def test_names_of_specs_are_unique() -> None:
    assert len({spec.name for spec in ALL_SPECS}) == len(ALL_SPECS)


# --- the interface


def macro_texts() -> str:
    texts = [path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("macros/**/*.sql"))]
    assert texts
    return "\n".join(texts)


def declared_tests() -> dict[str, dict[str, Any]]:
    """Signatures of all test blocks, in the form of upstream.yml."""
    tests: dict[str, dict[str, Any]] = {}
    for name, arguments in TEST_BLOCK.findall(macro_texts()):
        signature = ast.parse(f"def f({arguments}): ...").body[0]
        assert isinstance(signature, ast.FunctionDef)
        names = [argument.arg for argument in signature.args.args]
        defaults = [ast.literal_eval(default) for default in signature.args.defaults]
        required = len(names) - len(defaults)
        tests[name] = {
            "required": names[:required],
            "optional": dict(zip(names[required:], defaults, strict=True)),
        }
    return tests


def public_tests() -> dict[str, dict[str, Any]]:
    """Every test of the public package, in the order of upstream.yml."""
    tests: dict[str, dict[str, Any]] = yaml_io.plain(yaml_io.load(PACKAGE / "upstream.yml"))[
        "tests"
    ]
    return tests


OURS = sorted(declared_tests())


def test_every_test_of_ours_is_one_of_the_public_package() -> None:
    assert set(OURS) <= set(public_tests())


def test_the_package_has_the_tests_that_the_project_uses_and_no_other(project_root: Path) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for folder in ("contracts/a106", "models", "tests/dbt")
        for path in sorted((project_root / folder).rglob("*.y*ml"))
    ]
    used = re.findall(r"\bdbt_expectations\.(\w+)", "\n".join(texts))
    assert sorted(set(used)) == OURS


@pytest.mark.parametrize("test", OURS)
def test_signature_is_that_of_the_public_package(test: str) -> None:
    # The order counts too: a macro may be called with arguments by position.
    assert json.dumps(declared_tests()[test]) == json.dumps(public_tests()[test])


@pytest.mark.parametrize("test", OURS)
def test_each_test_has_a_spec_that_passes_and_one_that_fails(test: str) -> None:
    counts = [spec.failing_rows for spec in ALL_SPECS if spec.test == test]
    assert NO_FAILURE in counts
    assert any(count > NO_FAILURE for count in counts)


@pytest.mark.parametrize("test", OURS)
def test_each_argument_stands_in_a_spec(test: str) -> None:
    by_dbt = {"model", "column_name"}
    signature = declared_tests()[test]
    arguments = {*signature["required"], *signature["optional"]}
    used = {name for spec in ALL_SPECS if spec.test == test for name in spec.arguments}
    assert arguments - by_dbt == used


def readme_rows() -> list[str]:
    """The table of the README, as it must be."""
    rows = []
    for name, signature in public_tests().items():
        if name not in OURS:
            continue
        required = [argument for argument in signature["required"] if argument != "model"]
        optional = [
            f"{argument}={'none' if default is None else json.dumps(default)}"
            for argument, default in signature["optional"].items()
        ]
        cells = [
            ", ".join(f"`{argument}`" for argument in group) or "-"
            for group in (required, optional)
        ]
        rows.append(f"| `{name}` | {cells[0]} | {cells[1]} |")
    return rows


def test_readme_lists_the_tests() -> None:
    listed = [
        line
        for line in (PACKAGE / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `expect_")
    ]
    expected = readme_rows()
    assert listed == expected, "replace the table of the README by:\n" + "\n".join(expected)


# --- what differs from the public package


def differences() -> list[str]:
    """The names in the first column of the README's table."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Differences from the public package")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_each_difference_is_shown_and_nothing_else() -> None:
    shown = (
        {spec.differs for spec in ALL_SPECS} | {spec.differs for spec, _ in WRONG} | {RESULT_SHAPE}
    )
    assert shown - {None} == set(differences())
    assert len(differences()) == len(set(differences()))


RESULT_SHAPE = "result_columns"
SHAPES = {
    "expect_column_values_to_be_between only a minimum": ["id", "grp", "amount", "other"],
    "expect_table_row_count_to_be_between too few in a group": ["col_1", "observed_value"],
}


@pytest.mark.parametrize("spec", SHAPES)
def test_columns_of_a_result(spec: str, on_duckdb: dict[str, dict[str, Any]]) -> None:
    result = on_duckdb[re.sub(r"\W+", "_", spec)]
    database = Path(on_duckdb[DATABASE]["path"])
    with duckdb.connect(str(database), read_only=True) as connection:
        described = connection.execute(f"describe {result['compiled_code']}").fetchall()
    assert [row[0] for row in described] == SHAPES[spec]


# --- the conventions of the package


def test_the_engine_is_asked_by_dispatch_only() -> None:
    assert "target.type" not in macro_texts()


def test_every_dispatched_macro_stops_on_other_engines() -> None:
    text = macro_texts()
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)', 'dbt_expectations'\)", text))
    assert dispatched
    bodies = {match.group(2): match.group(0) for match in MACRO.finditer(text)}
    for name in dispatched:
        assert "dbt_expectations.unsupported(" in bodies[f"default__{name}"]
        assert {f"duckdb__{name}", f"postgres__{name}"} <= set(bodies)


def test_no_macro_is_a_test_by_accident_and_none_is_long() -> None:
    found = list(MACRO.finditer(macro_texts()))
    assert len(found) > len(OURS)
    for match in found:
        kind, name = match.group(1), match.group(2)
        assert kind == "test" or not name.startswith("test_"), name
        assert match.group(0).count("\n") < 40, name


# --- wrong arguments: refused before anything runs, with the test and the fix

PARSE_EACH = """
import contextlib, io, json, sys
from dbt.cli.main import dbtRunner

outcome = {}
for folder in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()):
        result = dbtRunner().invoke(
            ["parse", "--no-partial-parse", "--project-dir", folder, "--profiles-dir", folder]
        )
    outcome[folder] = str(result.exception) if result.exception else ""
print(json.dumps(outcome))
"""


def wrong(test: str, differs: str | None = None, **arguments: Any) -> Spec:
    column = None if "group_by" in arguments else "grp"
    return Spec(test, "wrong arguments", "ledger", column, arguments, NO_FAILURE, differs)


WRONG = [
    (wrong("expect_column_values_to_be_between"), "give at least one bound"),
    (
        wrong("expect_column_values_to_match_regex", "flags", regex="a", flags="x"),
        "flags: 'x' has no one meaning on all engines",
    ),
    (
        wrong("expect_table_row_count_to_be_between", "text_for_list", min_value=1, group_by="grp"),
        "group_by: expected a list, found grp",
    ),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What dbt says to each wrong use, by the name of the test: one process for all of them."""
    root = tmp_path_factory.mktemp("wrong_arguments")
    output = {"type": "duckdb", "path": ":memory:", "schema": "specs"}
    folders = [str(write_project(root / spec.name, [spec], output)) for spec, _ in WRONG]
    done = subprocess.run(
        [sys.executable, "-c", PARSE_EACH, *folders],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    outcome: dict[str, str] = json.loads(done.stdout)
    return {Path(folder).name: message for folder, message in outcome.items()}


@pytest.mark.parametrize(("spec", "message"), WRONG, ids=[spec.test for spec, _ in WRONG])
def test_wrong_arguments_are_refused(spec: Spec, message: str, refusals: dict[str, str]) -> None:
    assert message in refusals[spec.name]
    assert spec.name in refusals[spec.name], "the message names the test"
