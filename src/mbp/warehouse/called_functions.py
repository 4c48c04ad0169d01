"""The functions that a query calls on PostgreSQL, found by its own parser: known to be read-only, or refused.

`t.f` may call a function, `operator(s.+)`, a cast, a domain and a view do so too, and no text says which. PostgreSQL
resolves all of it when it takes the query for the definition of a view. That view is temporary, its query is never
planned or run, and it is rolled back; its stored tree names every function, operator, type and relation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from mbp.core.sql_guard import RefusedSqlError, demand_query

# Nodes of a stored tree whose parts are read below, by the names of all supported releases. Any other is refused.
NODE_NAMES = (
    "QUERY RANGETBLENTRY RTEPERMISSIONINFO RTEPERMINFO ALIAS FROMEXPR RANGETBLREF JOINEXPR TARGETENTRY "
    "VAR CONST FUNCEXPR NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK "
    "AGGREF WINDOWFUNC WINDOWCLAUSE SORTGROUPCLAUSE GROUPINGSET GROUPINGFUNC CASE CASEEXPR WHEN CASEWHEN "
    "CASETESTEXPR COALESCE COALESCEEXPR MINMAX MINMAXEXPR NULLTEST BOOLEANTEST RELABELTYPE COERCEVIAIO "
    "ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COERCETODOMAIN COERCETODOMAINVALUE COLLATE COLLATEEXPR ARRAY "
    "ARRAYEXPR ROW ROWEXPR ROWCOMPARE ROWCOMPAREEXPR SQLVALUEFUNCTION SUBSCRIPTINGREF FIELDSELECT PARAM "
    "COMMONTABLEEXPR SETOPERATIONSTMT RANGETBLFUNCTION"
)
NODES = frozenset(NODE_NAMES.split())
FUNCTIONS = (
    *("funcid", "opfuncid", "aggfnoid", "winfnoid", "elemfuncid"),
    *("startInRangeFunc", "endInRangeFunc"),
)
OPERATORS = ("opno", "opnos", "eqop", "sortop")
RELATIONS = ("relid",)
TYPE = re.compile(r"(type|types|typeid|typid)$", re.IGNORECASE)
# Kinds of a join, a subquery, a test, a command and a comparison: they end like types, and are numbers of another sort.
NO_TYPES = (
    *("jointype", "subLinkType", "nulltesttype", "booltesttype", "commandType"),
    *("rctype", "cmptype"),
)
PART = re.compile(r":(\w+) (\d+|\(o [0-9 ]*\))")
NODE = re.compile(r"\{(\w+)")
# Tables, partitioned tables, materialized views and toast hold rows. A view is followed; a foreign table is another
# machine.
STORED, VIEW = "rpm", "v"
BOOTSTRAP_SUPERUSER = 10
# Marked as stable by PostgreSQL itself, and yet: they run a view by its name, call the input of any type, or write a
# transaction id.
NOT_PLAIN = re.compile(
    r".*_to_xml(schema|_and_xmlschema)?|pg_input_.*|txid_current|pg_current_xact_id|pg_export_.*"
)
VIEW_NAME = "pg_temp.mbp_sql_guard"
Problems = Iterator[str]


def demand_read_only(connection: Any, sql: str, *, fix: str | None = None) -> None:
    """Refuses a query unless all that it calls, through views and domains too, is known to be read-only.

    Args:
        connection: psycopg2, with autocommit and in no transaction; the session that will run the query.

    Raises:
        RefusedSqlError: something in it is not known to be read-only, or the catalog did not answer.
    """
    demand_query(sql, "postgres", fix=fix)
    if connection is None or connection.closed:
        raise _refused("no session of PostgreSQL can say what it calls", fix)
    if connection.get_transaction_status() != TRANSACTION_STATUS_IDLE or not connection.autocommit:
        raise _refused("it would be checked inside of a transaction", fix)
    try:
        with connection.cursor() as cursor:
            cursor.execute("start transaction read write")
            try:
                problem = next(_Catalog(cursor).problems(sql), None)
            finally:
                cursor.execute("rollback")
    except psycopg2.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _refused(f"PostgreSQL could not say what it calls: {reason}", fix) from error
    if problem:
        raise _refused(problem, fix)


def demand_query_on(warehouse: Any, sql: str, *, fix: str | None = None) -> None:
    """`mbp.core.sql_guard.demand_query`, and on PostgreSQL the catalog of the very session that will run the query.

    Args:
        warehouse: an open `mbp.warehouse.Warehouse`.

    Raises:
        RefusedSqlError: it is not one query that is known to only read.
    """
    demand_query(sql, warehouse.engine, fix=fix)
    if warehouse.engine == "postgres":
        demand_read_only(warehouse.connection, sql, fix=fix)


def _refused(message: str, fix: str | None) -> RefusedSqlError:
    return RefusedSqlError(message, fix=fix or "write one query that only reads")


class _Catalog:
    """Everything that a query leads to, each thing once."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.seen: set[tuple[str, int]] = set()

    def problems(self, sql: str) -> Problems:
        # In `exists` a query may name a column twice, and keeps all of its columns.
        self.cursor.execute(
            f"create temporary view mbp_sql_guard as select exists (\n{sql.strip().rstrip(';')}\n)"
        )
        yield from self._view(self._rows("select %s::regclass::oid", VIEW_NAME)[0][0])

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(sql, values)
        return list(self.cursor.fetchall())

    def _new(self, kind: str, numbers: Iterable[int]) -> list[int]:
        results = {number for number in numbers if number and (kind, number) not in self.seen}
        self.seen |= {(kind, number) for number in results}
        return sorted(results)

    def _view(self, relation: int) -> Problems:
        rows = self._rows(
            "select ev_action::text from pg_catalog.pg_rewrite where ev_class = %s", relation
        )
        if not rows:
            yield "it reads a view without a definition"
        for (tree,) in rows:
            yield from self._tree(str(tree))

    def _tree(self, tree: str) -> Problems:
        strange = sorted(set(NODE.findall(tree)) - NODES)
        if strange:
            yield f"it uses {strange[0].lower()}, which is not known to be harmless"
        parts = [
            (key, [int(oid) for oid in re.findall(r"\d+", value)])
            for key, value in PART.findall(tree)
        ]

        def named(keys: Sequence[str]) -> list[int]:
            return [number for key, numbers in parts if key in keys for number in numbers]

        yield from self._functions(named(FUNCTIONS))
        yield from self._operators(named(OPERATORS))
        types = {key for key, _ in parts if TYPE.search(key) and key not in NO_TYPES}
        yield from self._types(named(tuple(types)))
        yield from self._relations(named(RELATIONS))

    def _functions(self, numbers: Iterable[int]) -> Problems:
        wanted = self._new("function", numbers)
        rows = self._rows(
            "select oid, proname, provolatile, proowner, pronamespace = 'pg_catalog'::regnamespace, prosecdef,"
            " proargtypes::oid[] && array['cstring'::regtype::oid, 'internal'::regtype::oid]"
            " from pg_catalog.pg_proc where oid = any(%s::oid[])",
            wanted,
        )
        if len(rows) != len(wanted):
            yield "it calls a function that the catalog does not have"
        for _, name, volatility, owner, built_in, definer, raw in sorted(rows):
            if not built_in or owner != BOOTSTRAP_SUPERUSER or definer:
                yield f"the function {name!r} is not one of PostgreSQL's own"
            elif volatility not in ("i", "s") or raw or NOT_PLAIN.fullmatch(name):
                yield f"the function {name!r} is not known to be harmless"

    def _operators(self, numbers: Iterable[int]) -> Problems:
        wanted = self._new("operator", numbers)
        rows = self._rows(
            "select oprname, oprowner, oprnamespace = 'pg_catalog'::regnamespace, oprcode::oid"
            " from pg_catalog.pg_operator where oid = any(%s::oid[])",
            wanted,
        )
        if len(rows) != len(wanted):
            yield "it uses an operator that the catalog does not have"
        for name, owner, built_in, _ in sorted(rows):
            if not built_in or owner != BOOTSTRAP_SUPERUSER:
                yield f"the operator {name!r} is not one of PostgreSQL's own"
        yield from self._functions(row[3] for row in rows)

    def _types(self, numbers: Iterable[int]) -> Problems:
        """Built-in types, and domains, enums, rows and arrays of them, with what their parts and checks call."""
        wanted = self._new("type", numbers)
        rows = self._rows(
            "select oid, typname, typtype, typnamespace = 'pg_catalog'::regnamespace and typowner = %s,"
            " typbasetype, typelem, typrelid from pg_catalog.pg_type where oid = any(%s::oid[])",
            BOOTSTRAP_SUPERUSER,
            wanted,
        )
        if len(rows) != len(wanted):
            yield "it uses a type that the catalog does not have"
        for number, name, kind, built_in, base, element, relation in sorted(rows):
            if built_in:
                continue
            if kind not in "dec" and not (kind == "b" and element):
                yield f"the type {name!r} is not one of PostgreSQL's own"
            for (check,) in self._rows(
                "select conbin::text from pg_catalog.pg_constraint where contypid = %s and conbin is not null",
                number,
            ):
                yield from self._tree(str(check))
            columns = self._rows(
                "select atttypid from pg_catalog.pg_attribute where attrelid = %s and attnum > 0 and not attisdropped",
                relation,
            )
            yield from self._types([base, element, *(row[0] for row in columns)])

    def _relations(self, numbers: Iterable[int]) -> Problems:
        wanted = self._new("relation", numbers)
        rows = self._rows(
            "select oid, relname, relkind, relrowsecurity from pg_catalog.pg_class where oid = any(%s::oid[])",
            wanted,
        )
        if len(rows) != len(wanted):
            yield "it reads a relation that the catalog does not have"
        for number, name, kind, secured in sorted(rows):
            if kind == VIEW:
                yield from self._view(number)
            elif kind not in STORED:
                yield f"{name!r} is neither a table nor a view"
            # Of a stored table little is computed when it is read: virtual columns, and who may see which row.
            computed = self._rows(
                "select adbin::text from pg_catalog.pg_attrdef join pg_catalog.pg_attribute"
                " on attrelid = adrelid and attnum = adnum where adrelid = %s and attgenerated = 'v'",
                number,
            )
            if secured:
                computed += self._rows(
                    "select polqual::text from pg_catalog.pg_policy where polrelid = %s", number
                )
            for (tree,) in computed:
                yield from self._tree(str(tree or ""))
            children = self._rows(
                "select inhrelid from pg_catalog.pg_inherits where inhparent = %s", number
            )
            yield from self._relations(row[0] for row in children)
