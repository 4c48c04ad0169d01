"""Every place where text of somebody else becomes SQL, a template, a shell's argument, HTML or a path.

A row of a table: the place, a hostile text, and what must happen. What is new among the places is noticed:
`test_every_text_that_becomes_sql_was_looked_at` lists them.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import load_contracts
from mbp.core import wording, yaml_io
from mbp.core.errors import MbpError
from mbp.core.paths import inside
from mbp.core.sql_guard import DIALECTS, demand_change, demand_expression, demand_query
from tests.python.sources import python_files

SITES = Path(__file__).parent / "sql_sites.txt"
WRITES = (
    "insert into t values (1)",
    "update t set a = 1",
    "delete from t",
    "drop table t",
    "create table t as select 1",
    "alter table t add column b int",
    "truncate t",
    "grant select on t to public",
    "copy t to '/tmp/x'",
    "copy (select 1) to '/tmp/x'",
    "copy t from program 'id'",
    "attach '/tmp/x.db' as x",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "set search_path = x",
    "call f()",
    "do $$ begin end $$",
    "vacuum",
    "explain analyze delete from t",
    "merge into t using u on t.a = u.a when matched then delete",
    "prepare p as delete from t",
    "execute p",
    "export database '/tmp/x'",
    "lock table t",
    "listen x",
    "begin",
)
QUERIES = (
    "with gone as (delete from t returning *) select * from gone",
    "with made as (insert into t values (1) returning *) select * from made",
    "select * into u from t",
    "select * from t for update",
    "select pg_sleep(100)",
    'select "pg_sleep"(100)',
    "select pg_catalog.pg_sleep(100)",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('/')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/x')",
    "select * from dblink('host=x', 'select 1') as d(a int)",
    "select dblink_exec('host=x', 'drop table t')",
    "select set_config('role', 'postgres', false)",
    "select current_setting('data_directory')",
    "select nextval('s')",
    "select setval('s', 1)",
    "select pg_terminate_backend(1)",
    "select query_to_xml('drop table t', true, true, '')",
    "select pg_advisory_lock(1)",
    "select pg_notify('a', 'b')",
    "select getenv('HOME')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('/etc/passwd')",
    "select * from read_parquet('s3://x/y')",
    "select * from parquet_scan('x')",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from '/etc/passwd.csv'",
    'select * from "/etc/passwd.csv"',
    'select * from "https://host/x.parquet"',
    "select * from sqlite_scan('x', 'y')",
    "select * from postgres_query('x', 'y')",
    "select * from query('drop table t')",
    "select * from query_table('t')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets",
    "select * from pragma_table_info('t')",
    "select * from pg_shadow",
    "select * from pg_catalog.pg_authid",
    "select 1 from t where a in (select pg_sleep(1))",
    "select a operator(evil.+) 1 from t",
    "select a::pair from t",
    "select cast(a as evil.pair) from t",
    "select 1; drop table t",
    "select 1; -- comment\ndelete from t",
    "select 1 /* ; */ ; /* */ drop table t",
    "select 1 /* /* */ ; drop table t; -- */",
    "select $$ ; drop table t; $$",
    "select $x$ ; drop table t; $x$",
    r"select E'\'; drop table t; --'",
    "select 'a",
    "select ((",
    "select * from t where a = $1",
    "select * from t where a = ?",
    "select * from {{ ref('t') }}",
    "select 1\x00; drop table t",
    "",
    ";",
    "-- only a comment",
    "not sql at all",
)
FINE = (
    "select 1",
    "select 1;",
    "-- why\nselect a from t /* what */ where b = 'it''s; drop table t'",
    "with a as (select * from t) select count(*) from a union all select 1",
    'select * from "db"."marts"."mbp_quotes" as q left join u on q.a = u.a',
    "select row_number() over (partition by a order by b) from t",
    # The end of loaded data, in a replay: every rule on freshness reads it.
    "select max(a) <= (select make_timestamptz(cast(max(b) as bigint) * 1000) from u) from t",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", [*WRITES, *QUERIES])
def test_sql_that_does_more_than_read_is_refused(sql: str, dialect: str) -> None:
    with pytest.raises(MbpError, match="refused as SQL"):
        demand_query(sql, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", FINE)
def test_a_query_that_reads_passes(sql: str, dialect: str) -> None:
    demand_query(sql, dialect)


def test_a_string_in_escapes_of_postgresql_is_refused() -> None:
    with pytest.raises(MbpError, match="refused as SQL"):
        demand_query(r"select U&'\0027; drop table t; --'", "postgres")


def test_a_dialect_without_a_guard_is_refused() -> None:
    with pytest.raises(MbpError, match="no guard"):
        demand_query("select 1", "mysql")


@pytest.mark.parametrize(
    "text",
    [
        "1=1) or (1=1",
        "a) from t; drop table t; --",
        "1) as a, (2",
        "(select max(a) from secrets)",
        "a in (select b from secrets)",
        "exists (select 1 from secrets)",
        "pg_sleep(1)",
        "1 limit 1",
        "1 from t",
        "a; b",
        "a -- b\n) from t; drop table t",
        "{{ env_var('X') }}",
        "",
    ],
)
def test_an_expression_is_no_query(text: str) -> None:
    with pytest.raises(MbpError, match="refused as SQL"):
        demand_expression(text)


def test_expressions_pass() -> None:
    for text in (
        "price is not null",
        "a > 1 and b in ('x', 'y')",
        "case when a then 1 end",
        "sum(a)",
    ):
        demand_expression(text)


@pytest.mark.parametrize(
    "sql",
    [
        "drop table {mbp}.quotes",
        "select 1",
        "delete from {mbp}.quotes; drop table {mbp}.quotes",
        "insert into {mbp}.quotes select * from read_csv('/etc/passwd')",
        "update {mbp}.quotes set price = getenv('HOME')",
        "copy {mbp}.quotes to '/tmp/x'",
        "attach 'x'",
    ],
)
def test_the_fault_of_an_exercise_changes_rows_and_nothing_else(sql: str) -> None:
    with pytest.raises(MbpError, match="refused as SQL"):
        demand_change(sql.format(mbp="sample_mbp"), "duckdb")


# contracts: text -> SQL, Jinja, HTML


@pytest.fixture
def contracts(project_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(project_root / "contracts", tmp_path / "contracts")
    shutil.copytree(project_root / "tests/dbt/generic", tmp_path / "tests/dbt/generic")
    return tmp_path


MARKETS = "contracts/a106/mbp_markets.odcs.yaml"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "column_A: closes_at,",
            'column_A: "closes_at) from t; drop table t; --",',
            "refused as SQL",
        ),
        ("column_A: closes_at,", 'column_A: "(select max(a) from secrets)",', "refused as SQL"),
        ("column_A: closes_at,", "column_A: \"pg_read_file('/etc/passwd')\",", "refused as SQL"),
        ("column_A: closes_at,", "column_A: \"{{ run_query('drop table t') }}\",", "a template"),
        ("[table, manual, endpoint]", '[table, manual, "x\'); drop table t; --"]', "holds a quote"),
        ("  - name: mbp_markets", '  - name: "mbp_markets; drop table t"', "lower-case name"),
        ("- name: market_id", '- name: "market_id\\" text); drop table t; --"', "lower-case name"),
        ("physicalType: string", 'physicalType: "text); drop table t; --"', "expected a type"),
        (
            "test: dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B",
            'test: "../../x"',
            "name of a test",
        ),
        ("purpose: ", "purpose: \"{{ env_var('MBP_PG_PASSWORD') }}\" #", "a template"),
        ("purpose: ", 'purpose: "{% enddocs %}" #', "a template"),
        ("purpose: ", 'purpose: "<script>alert(1)</script>" #', "markup"),
        ("purpose: ", 'purpose: "<img src=x onerror=alert(1)>" #', "markup"),
        ("purpose: ", 'purpose: "[a](javascript:alert(1))" #', "markup"),
        ("purpose: ", 'purpose: "hidden \\u202e text" #', "hidden character"),
    ],
)
def test_a_contract_is_text_and_never_run(contracts: Path, old: str, new: str, told: str) -> None:
    path = contracts / MARKETS
    text = path.read_text(encoding="utf-8")
    assert old in text
    # Block scalars are cut to the one line that is put in their place.
    spoiled = text.replace(old, new, 1) if "#" not in new[-2:] else _one_line(text, old, new)
    path.write_text(spoiled, encoding="utf-8")

    with pytest.raises(MbpError, match=told) as error:
        load_contracts(contracts)
    assert error.value.line


def _one_line(text: str, old: str, new: str) -> str:
    lines = text.splitlines()
    at = next(index for index, line in enumerate(lines) if line.lstrip().startswith(old))
    indent = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while lines[end].strip() == "" or len(lines[end]) - len(lines[end].lstrip()) > indent:
        end += 1
    return "\n".join([*lines[:at], " " * indent + new, *lines[end:]]) + "\n"


def test_a_test_stays_in_its_folder(contracts: Path) -> None:
    path = contracts / MARKETS
    text = path.read_text(encoding="utf-8")
    changed = re.sub(r"test: \w+", "test: ../../secret", text, count=1)
    if changed == text:
        path = contracts / "contracts/a106/mbp_quotes.odcs.yaml"
        text = path.read_text(encoding="utf-8")
        changed = re.sub(r"test: \w+", "test: ../../secret", text, count=1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")

    with pytest.raises(MbpError, match="name of a test"):
        load_contracts(contracts)


@pytest.mark.parametrize(
    ("config", "sql"),
    [
        ({}, "select 1; drop table t"),
        ({}, "delete from t"),
        ({"fail_calc": "count(*) from t; drop table t; --"}, "select 1"),
        ({"error_if": "> 0 or exists (select 1 from secrets)"}, "select 1"),
        ({"warn_if": "> 0; drop table t"}, "select 1"),
    ],
)
def test_a_compiled_test_only_reads(config: dict[str, str], sql: str) -> None:
    from mbp.quality.compiled_tests import _read_test

    node = {"unique_id": "test.p.x", "name": "x", "config": config, "compiled_code": sql}
    with pytest.raises(MbpError, match="refused as SQL"):
        _read_test(node, frozenset(), "duckdb")


# YAML, templates, Markdown


def test_yaml_makes_no_objects() -> None:
    loaded = yaml_io.loads("a: !!python/object/apply:os.system ['touch /tmp/x']\n", shown_as="x")
    assert isinstance(yaml_io.plain(loaded)["a"], list)


def test_no_reader_of_yaml_is_unsafe(project_root: Path) -> None:
    unsafe = re.compile(r"yaml\.(load|load_all|unsafe_load|full_load)\(|typ=[\"']unsafe")
    readers = {
        path.name
        for folder in ("src", "lab", "scripts")
        for path in (project_root / folder).rglob("*.py")
        if any("yaml = YAML" not in line and unsafe.search(line) for line in _code(path))
        and "from ruamel.yaml import YAML" not in path.read_text(encoding="utf-8")
    }
    assert readers == set()


def _code(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


HOSTILE = (
    "<script>alert(1)</script>",
    "a | b",
    "line\n# heading",
    "[x](javascript:1)",
    "`code`",
    "**bold**",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_text_as_it_is(text: str) -> None:
    for shown in (wording.cell(text), wording.inline(text), wording.code(text)):
        assert "\n" not in shown
        assert not re.search(r"(?<!\\)\|", shown)
    assert "<script" not in wording.cell(text) + wording.inline(text)
    assert not re.search(r"(?<!\\)[`*\[]", wording.inline(text))


@pytest.mark.parametrize("entity", HOSTILE)
def test_an_incident_shows_the_entity_and_never_runs_it(project_root: Path, entity: str) -> None:
    from mbp.contracts.hook_policy import demand_whole, load_hooks
    from mbp.operate.hooks.actions import incident
    from mbp.operate.hooks.measurements import Decision

    policy = demand_whole(load_hooks(project_root))
    hook = next(iter(policy.hooks.values()))
    now = datetime(2026, 1, 5, tzinfo=UTC)
    decision = Decision(
        "d1",
        hook.id,
        hook.kpi.id,
        entity,
        "breach",
        "incident",
        hook.kpi.owner,
        now,
        now,
        Decimal(1),
        "{{ 7 * 7 }}",
    )

    text = incident(project_root, policy, decision)

    assert "<script" not in text
    assert "49" not in text.replace(policy.hash[:16], "")
    assert "\n# heading" not in text
    assert "](javascript" not in text.replace("\\]", "")


# paths, shells


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "link", "link/x", "a\x00b", "loop"]
)
def test_a_name_does_not_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")

    with pytest.raises(MbpError, match="leads out"):
        inside(folder, name, path="mapping.yaml", line=3)


def test_a_name_inside_is_found(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/./b/../c.csv") == tmp_path.resolve() / "a/c.csv"


def _out_of_registry(root: Path) -> None:
    from mbp.contracts.published_versions import published

    published(root, "../../a106")


def _option_for_git(root: Path) -> None:
    from mbp.contracts.registry.odcs_documents import at_ref

    at_ref(root, "--output=/tmp/x")


def _option_for_verify(root: Path) -> None:
    from mbp.contracts.registry.registry_check import verify_registry

    verify_registry(root, "--output=/tmp/x")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (_out_of_registry, "leads out"),
        (_option_for_git, "no git ref"),
        (_option_for_verify, "no git ref"),
    ],
)
def test_a_command_line_reaches_no_other_file(
    project_root: Path, place: Callable[[Path], None], told: str
) -> None:
    with pytest.raises(MbpError, match=told):
        place(project_root)


def test_a_landed_link_does_not_lead_out(tmp_path: Path) -> None:
    from mbp.ingest.cdc.landing import _Lander

    folder = tmp_path / "landing"
    folder.mkdir()
    (tmp_path / "secret.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "a.jsonl").symlink_to(tmp_path / "secret.jsonl")
    lander = _Lander.__new__(_Lander)

    with pytest.raises(MbpError, match="leads out"):
        lander.files(folder)


def test_no_shell_is_started(project_root: Path) -> None:
    """Commands are lists of arguments, and nothing evaluates text as Python."""
    found = []
    for folder in ("src", "lab", "scripts"):
        for path in sorted((project_root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                shell = any(one.arg == "shell" for one in node.keywords)
                if shell or called in (
                    "eval",
                    "exec",
                    "os.system",
                    "os.popen",
                    "pickle.loads",
                    "pickle.load",
                ):
                    found.append(f"{path.name}:{node.lineno} {called}")
    assert found == []


# the list of places

BEGINS = re.compile(
    r"^\s*\(?\s*(select|insert into|update|delete from|create|drop|alter|grant|revoke|truncate|copy|with"
    r"|attach|set|do \$\$|comment on|analyze)\b",
    re.IGNORECASE,
)
# Quoted or a number by what makes it, or a constant of the code.
SAFE = re.compile(
    r"[A-Z][A-Z0-9_]*|(mbp\.)?(quote_identifier|place|int|_literal)\(.*\)|(self\.|control\.|self\._control\.)?marks?"
    r"|_mark\(warehouse\)|', '\.join\(\[mark\] \* \w+\)"
)


def sites(root: Path) -> list[str]:
    """`file: expression` of every value that is put into SQL as text and is not safe by its form."""
    found = set()
    for name, path in python_files(root).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts: list[Any] = node.values
                text = "".join(
                    one.value if isinstance(one, ast.Constant) else "{}" for one in parts
                )
                if BEGINS.match(text):
                    values = [
                        ast.unparse(one.value)
                        for one in parts
                        if isinstance(one, ast.FormattedValue)
                    ]
                    found |= {f"{name}: {value}" for value in values if not SAFE.fullmatch(value)}
    return sorted(found)


def test_every_text_that_becomes_sql_was_looked_at(project_root: Path) -> None:
    listed = [
        line for line in SITES.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    now = sites(project_root)

    new = sorted(set(now) - set(listed))
    gone = sorted(set(listed) - set(now))
    assert not new, (
        f"text becomes SQL at new places: {new}. Quote identifiers with quote_identifier, give values as parameters;"
        f" then add the line to {SITES.name}"
    )
    assert not gone, f"remove from {SITES.name}: {gone}"


def test_the_list_would_notice_a_new_place(tmp_path: Path) -> None:
    path = tmp_path / "src/mbp/new.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "f\"select * from {quote_identifier(a)} where b = '{b}' limit {int(c)} {D}\"\n",
        encoding="utf-8",
    )
    assert sites(tmp_path) == ["mbp/new.py: b"]
