"""One probe per kind of constraint: a table that declares it and a statement that breaks it.

An engine enforces the constraint when it refuses the statement. The probes run in a separate schema,
which they create and drop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SCHEMA = "mbp_enforcement_probe"
Execute = Callable[[str], object]
IsNoSyntax = Callable[[Exception], bool]
# Kind of constraint -> whether it is enforced; None: it cannot even be declared.
Found = dict[str, bool | None]
WORDS = {True: "enforced", False: "**not enforced**", None: "**cannot be declared**"}


@dataclass(frozen=True)
class Probe:
    """How to find out whether one kind of constraint is enforced.

    Attributes:
        kind: the constraint, as the matrix names it.
        setup: statements that must succeed; `{schema}` and `{text}`, the type of texts, are replaced.
        violation: the statement that breaks the constraint.
        stand_in: the family of tests that checks the constraint where the engine does not.
    """

    kind: str
    setup: tuple[str, ...]
    violation: str
    stand_in: str


PROBES: tuple[Probe, ...] = (
    Probe(
        "not null",
        ("create table {schema}.p (a integer not null)",),
        "insert into {schema}.p values (null)",
        "`<dataset>_<column>_not_null`",
    ),
    Probe(
        "primary key",
        ("create table {schema}.p (a integer primary key)", "insert into {schema}.p values (1)"),
        "insert into {schema}.p values (1)",
        "`<dataset>_<key>_unique`",
    ),
    Probe(
        "unique",
        ("create table {schema}.p (a integer unique)", "insert into {schema}.p values (1)"),
        "insert into {schema}.p values (1)",
        "`<dataset>_<column>_unique`",
    ),
    Probe(
        "check",
        ("create table {schema}.p (a integer check (a > 0))",),
        "insert into {schema}.p values (0)",
        "`<dataset>_<column>_range`",
    ),
    Probe(
        "foreign key, while the parent stays",
        (
            "create table {schema}.parent (a integer primary key)",
            "create table {schema}.p (a integer references {schema}.parent (a))",
        ),
        "insert into {schema}.p values (1)",
        "its `relationships` test",
    ),
    Probe(
        "foreign key, after the parent was rebuilt",
        (
            "create table {schema}.parent (a integer primary key)",
            "create table {schema}.p (a integer references {schema}.parent (a))",
            "drop table {schema}.parent cascade",
        ),
        "insert into {schema}.p values (1)",
        "its `relationships` test",
    ),
    Probe(
        "digits before the point of a decimal",
        ("create table {schema}.p (a decimal(4, 2))",),
        "insert into {schema}.p values (12345.6)",
        "`<dataset>_<column>_range`",
    ),
    Probe(
        "digits after the point of a decimal",
        ("create table {schema}.p (a decimal(4, 2))",),
        "insert into {schema}.p values (0.125)",
        "none: the value is rounded; types are compared when the contract is checked",
    ),
    Probe(
        "non-empty text",
        ("create table {schema}.p (a {text} not null)",),
        "insert into {schema}.p values ('')",
        "`<dataset>_<column>_length`, `_pattern` or `_accepted_values`",
    ),
    Probe(
        "constraints of a table behind a view",
        (
            "create table {schema}.t (a integer)",
            "insert into {schema}.t values (null)",
        ),
        "create view {schema}.p as select cast(a as integer) as a from {schema}.t",
        "public datasets are tables, never views (dbt-bouncer checks it)",
    ),
)


def measure(
    execute: Execute, *, text: str = "varchar", is_no_syntax: IsNoSyntax = lambda _: False
) -> Found:
    """Runs every probe; kind -> whether the engine refused the violation.

    Args:
        execute: runs one statement and commits it, or raises; a raised statement must leave the
            session usable (autocommit).
        text: the engine's type of texts.
        is_no_syntax: whether an error says that the engine has no syntax for the constraint; its result
            is then None. Other errors of a set-up are raised.

    Raises:
        Exception: whatever `execute` raises for a set-up that fails: the probe could not check.
    """
    enforced: Found = {}
    for probe in PROBES:
        execute(f"drop schema if exists {SCHEMA} cascade")
        execute(f"create schema {SCHEMA}")
        try:
            enforced[probe.kind] = _refused(probe, execute, text)
        except Exception as error:
            if not is_no_syntax(error):
                raise
            enforced[probe.kind] = None
        finally:
            execute(f"drop schema if exists {SCHEMA} cascade")
    return enforced


def _refused(probe: Probe, execute: Execute, text: str) -> bool:
    *setup, last = (statement.format(schema=SCHEMA, text=text) for statement in probe.setup)
    for statement in setup:
        execute(statement)
    try:
        execute(last)
    except Exception:
        # Dropping a parent that is referenced is refused by some engines: the constraint holds.
        if last.startswith("drop table"):
            return True
        raise
    try:
        execute(probe.violation.format(schema=SCHEMA))
    except Exception:
        return True
    return False


def matrix(measured: dict[str, Found]) -> str:
    """The Markdown table: kind x engine, and the test that enforces the rule instead.

    Args:
        measured: engine -> result of `measure`.
    """
    engines = list(measured)
    lines = [
        "| rule | " + " | ".join(engines) + " | enforced by the test |",
        "| --- |" + " --- |" * (len(engines) + 1),
    ]
    for probe in PROBES:
        cells = [WORDS[measured[engine][probe.kind]] for engine in engines]
        lines.append(f"| {probe.kind} | " + " | ".join(cells) + f" | {probe.stand_in} |")
    return "\n".join(lines) + "\n"
