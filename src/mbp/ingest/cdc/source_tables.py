"""The tables as the catalog of the source has them: which table it is, its columns, and what is published of it.

A table is an object in a schema, not a name. What its log cannot show (another table under its name, a column that was
dropped and added again, rows that a publication leaves out) is found here, by comparison with what was stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.pgoutput import TableShape

Columns = Mapping[str, Sequence[tuple[str, str]]]
SETUP = "run the SQL that `mbp cdc setup` prints, as an administrator"
# One statement: of two, the second could see a change of the schema that the first did not.
TABLES = """
select c.relname, c.oid::bigint, c.relfilenode::bigint, c.relkind, c.relpersistence, c.relreplident,
  coalesce(pr.oid, {schema_entry}, p.oid)::bigint,
  to_jsonb(pr) ->> 'prqual' is not null, to_jsonb(pr) ->> 'prattrs' is not null,
  row_security_active(c.oid), c.relispartition or exists (select from pg_inherits where inhparent = c.oid),
  exists (select from pg_publication_tables as pt
    where pt.pubname = %(publication)s and pt.schemaname = n.nspname and pt.tablename = c.relname),
  exists (select from pg_index as i join pg_attribute as a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
    and i.indnkeyatts = 1 and a.attname = %(keys)s::jsonb ->> c.relname),
  (select jsonb_agg(jsonb_build_array(a.attname, a.attnum, a.atttypid::bigint, a.atttypmod,
      a.xmin::text || coalesce('-' || d.xmin::text, ''), a.attgenerated,
      case when t.typtype = 'd' then t.typbasetype::bigint end,
      (select jsonb_object_agg(e.oid, e.enumlabel) from pg_enum as e where e.enumtypid in (t.oid, t.typbasetype)))
      order by a.attnum)
    from pg_attribute as a join pg_type as t on t.oid = a.atttypid
    left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum and a.attgenerated <> ''
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  p.xmin::text
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
left join pg_publication as p on p.pubname = %(publication)s
left join pg_publication_rel as pr on pr.prrelid = c.oid and pr.prpubid = p.oid
where n.nspname = %(schema)s and c.relname = any(%(names)s)
"""
# A publication of whole schemas, since PostgreSQL 15.
SCHEMA_ENTRY = (
    "(select oid from pg_publication_namespace where pnpubid = p.oid and pnnspid = n.oid)"
)
SCHEMAS_SINCE = 150000
PUBLICATION = """
select pubinsert, pubupdate, pubdelete, pubtruncate, coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's'
from pg_publication as p where pubname = %s
"""
PUBLISHED = ("insert", "update", "delete", "truncate")


class SourceColumn(NamedTuple):
    """A column of a table.

    Attributes:
        number: its place, which is never given to another column of the table.
        version: of its row in the catalog; each change of its type makes another.
        generated: 's' stored, 'v' virtual, empty: neither.
        base: of a domain, the type below it; None: it is not a domain.
        labels: of an enum, by what never changes of each; None: it is not an enum.
    """

    name: str
    number: int
    type: int
    modifier: int
    version: str
    generated: str
    base: int | None
    labels: dict[str, str] | None = None


@dataclass(frozen=True)
class SourceTable:
    """A table that is captured, as it is now.

    Attributes:
        file: of its rows; a statement that writes them all again gives it another.
        membership: what publishes it: the entry of the table or of its schema, or the publication; None: nothing.
        keys_checked: no two of its rows have one key, at no moment.
        problem: why its log would not be what it is; empty: it would.
        options: version of the publication itself, which a change of what it publishes makes another.
    """

    schema: str
    name: str
    oid: int
    file: int
    identity: str
    membership: int | None
    keys_checked: bool
    columns: tuple[SourceColumn, ...]
    problem: str = ""
    options: str = ""

    @property
    def shape(self) -> TableShape:
        """As the stream describes it."""
        columns = tuple((column.name, column.type, column.modifier) for column in self.columns)
        return TableShape(self.oid, self.schema, self.name, self.identity, columns)

    @property
    def text(self) -> str:
        """What is stored of it."""
        return json.dumps(asdict(self))


def stored(text: str) -> SourceTable:
    """Of `SourceTable.text`."""
    values = json.loads(text)
    return SourceTable(
        **{**values, "columns": tuple(SourceColumn(*listed) for listed in values["columns"])}
    )


def read_tables(
    cursor: Any, publication: str, schema: str, captured: Columns
) -> dict[str, SourceTable]:
    """The captured tables by name, each with its problem; also one that is not there."""
    cursor.execute(PUBLICATION, [publication])
    options = cursor.fetchone()
    keys = {name: columns[0][0] for name, columns in captured.items()}
    schemas = cursor.connection.server_version >= SCHEMAS_SINCE
    cursor.execute(
        TABLES.replace("{schema_entry}", SCHEMA_ENTRY if schemas else "null"),
        {
            "publication": publication,
            "schema": schema,
            "names": list(captured),
            "keys": json.dumps(keys),
        },
    )
    rows = {row[0]: row for row in cursor.fetchall()}
    tables = {}
    for name, contracted in captured.items():
        if name not in rows:
            what = f"{schema}.{name} is not at the source; check MBP_SOURCE_SCHEMA"
            tables[name] = SourceTable(schema, name, 0, 0, "", None, True, (), what)
            continue
        _, oid, file, kind, persistence, identity, membership, *flags, listed, version = rows[name]
        filtered, some_columns, secured, inherited, published, checked = flags
        columns = tuple(SourceColumn(*column) for column in listed or ())
        problem = (
            _of_kind(kind, persistence, inherited, secured)
            or _of_columns(columns, contracted, generated=bool(options and options[4]))
            or _of_publication(publication, options, published, filtered, some_columns)
        )
        tables[name] = SourceTable(
            schema, name, oid, file, identity, membership, checked, columns, problem, version or ""
        )
    return tables


def demand_whole(tables: Mapping[str, SourceTable]) -> None:
    """Raises:
    MbpError: the log of a table would not be what the table is; all such tables, by what is wrong.
    """
    reasons: dict[str, list[str]] = {}
    for name, table in sorted(tables.items()):
        if table.problem:
            reasons.setdefault(table.problem, []).append(name)
    if reasons:
        message = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
        raise MbpError(message, fix=f"fix it at the source; for the publication, {SETUP}")


def replaced(before: SourceTable, now: SourceTable, contracted: Sequence[tuple[str, str]]) -> str:
    """Why the changes since `before` do not lead to what the table is now; empty: they do.

    A column that is missing or does not fit is not judged here: its changes are parked and can be applied later.
    """
    if now.oid != before.oid:
        return (
            "another table has its name: it was dropped and created again, or swapped by a rename"
        )
    if now.membership != before.membership:
        return "it left the publication for a while: changes may be missing"
    if before.options and now.options != before.options:
        return "its publication was altered: changes may be missing that were not published for a while"
    try:
        change_shape.demand_fit(now.shape, contracted)
    except MbpError:
        return ""
    names = {name for name, _ in contracted}
    had = {column.name: column for column in before.columns}
    for column in now.columns:
        old = had.get(column.name)
        if column.name not in names or old is None or column == old:
            continue
        if column.number != old.number:
            return f"its column {column.name} is another one: dropped and added again, or renamed"
        labels = column.labels or {}
        if any(labels.get(key, label) != label for key, label in (old.labels or {}).items()):
            return f"a label of its column {column.name} was renamed: rows that have it changed without a change"
        # Another type alone may be a wider one of the same values; then no row is written again.
        if now.file != before.file and column.version != old.version:
            return f"its column {column.name} was retyped: all of its values may be others"
    return ""


def _of_kind(kind: str, persistence: str, inherited: bool, secured: bool) -> str:
    if kind == "p" or inherited:
        return (
            "it is partitioned, a partition or a parent: a TRUNCATE, ATTACH or DETACH of a part does not show in the"
            " log; use an ordinary table, or land the files of a pipeline (docs/cdc_readers.md)"
        )
    if kind != "r" or persistence != "p":
        return "it is not an ordinary logged table, so the source has no log of its rows"
    if secured:
        return "row security hides rows from this role; alter role ... bypassrls, or disable it"
    return ""


def _of_columns(
    columns: Sequence[SourceColumn], contracted: Sequence[tuple[str, str]], *, generated: bool
) -> str:
    names = {name for name, _ in contracted}
    for column in columns:
        if column.generated == "v" or (column.generated and column.name in names and not generated):
            return (
                f"{column.name} is a generated column that the publication does not send: PostgreSQL 18 sends a stored"
                " one after the SQL of `mbp cdc setup`; else make it a plain column"
            )
        if column.name in names and column.base == change_shape.CHARACTER:
            return f"{column.name} is a domain over character, whose padding differs; use text"
    return ""


def _of_publication(
    name: str, options: Sequence[bool] | None, published: bool, filtered: bool, some_columns: bool
) -> str:
    if options is None or not published:
        return f"the publication {name} lacks it"
    missing = [kind for kind, sent in zip(PUBLISHED, options, strict=False) if not sent]
    if missing:
        return f"the publication {name} does not publish {', '.join(missing)}"
    if filtered:
        return f"the publication {name} has a row filter for it"
    return f"the publication {name} has a column list for it" if some_columns else ""


def refusal_sql(captured: Columns, schema: str) -> str:
    """The first statement of the setup: it ends the setup where a table could not be captured whole."""
    names = ", ".join(_literal(name) for name in captured)
    pairs = ", ".join(
        f"({_literal(name)}, {_literal(column)})"
        for name, columns in captured.items()
        for column, _ in columns
    )
    return (
        "do $$ declare problem text; begin"
        " select string_agg(format('%s is %s', c.relname, case when c.relkind = 'p' or c.relispartition"
        " then 'partitioned' when c.relkind <> 'r' or c.relpersistence <> 'p' then 'not an ordinary logged table'"
        " else 'a parent of other tables' end), ', ') into problem"
        " from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        f" where n.nspname = {_literal(schema)} and c.relname in ({names}) and (c.relkind <> 'r' or c.relispartition"
        " or c.relpersistence <> 'p' or exists (select from pg_inherits where inhparent = c.oid));"
        " if problem is null then select string_agg(format('%s.%s is a generated column', c.relname, a.attname), ', ')"
        " into problem from pg_attribute as a join pg_class as c on c.oid = a.attrelid"
        " join pg_namespace as n on n.oid = c.relnamespace"
        f" where n.nspname = {_literal(schema)} and c.relname in ({names}) and not a.attisdropped and"
        " (a.attgenerated = 'v' or (a.attgenerated = 's' and current_setting('server_version_num')::int < 180000"
        f" and (c.relname, a.attname) in ({pairs or '(null, null)'}))); end if;"
        " if problem is not null then raise exception 'mbp cdc cannot capture this: %', problem; end if; end $$"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
