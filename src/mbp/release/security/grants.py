"""What a PostgreSQL really grants: read from its catalog and asked of it for each role.

Sources: PostgreSQL's system catalogs pg_class, pg_namespace, pg_attribute, pg_roles, pg_auth_members,
pg_default_acl, pg_proc and pg_database, and its access privilege inquiry functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.release.security.security_policy import ATTRIBUTES, RELATION_PRIVILEGES

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
PUBLIC = "public"
OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
COLUMN_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
FLAGS = {
    "LOGIN": "rolcanlogin",
    "SUPERUSER": "rolsuper",
    "CREATEROLE": "rolcreaterole",
    "CREATEDB": "rolcreatedb",
    "REPLICATION": "rolreplication",
    "BYPASSRLS": "rolbypassrls",
}


@dataclass(frozen=True)
class Held:
    """One privilege on a relation, or on a column of it, that a role has by whatever way."""

    role: str
    schema: str
    relation: str
    column: str | None
    privilege: str


@dataclass(frozen=True)
class Owned:
    """A schema, relation or function (`kind`) and its owner."""

    owner: str
    kind: str
    schema: str
    name: str


@dataclass(frozen=True)
class Default:
    """A privilege that relations or functions made by `maker` will carry; schema '' is any."""

    maker: str
    schema: str
    kind: str
    grantee: str
    privilege: str


@dataclass(frozen=True)
class Grants:
    """Everything that was read.

    Attributes:
        attributes: role -> what it is; a role that is not there is missing.
        member_of: role -> roles it is a member of, through others too.
        members: role -> who is a direct member.
        schemas: (role, schema, USAGE or CREATE) that hold.
        databases: (role or PUBLIC, privilege) on this database.
        public: (schema, relation or '', privilege) granted to every role.
        grantable: (grantee, object) that may be passed on.
        definers: schema.function that run with the rights of their owner.
    """

    version: str
    database: str
    attributes: dict[str, frozenset[str]]
    member_of: dict[str, frozenset[str]]
    members: dict[str, tuple[str, ...]]
    relations: tuple[tuple[str, str], ...]
    schema_names: tuple[str, ...]
    held: tuple[Held, ...]
    schemas: frozenset[tuple[str, str, str]]
    databases: frozenset[tuple[str, str]]
    public: frozenset[tuple[str, str, str]]
    grantable: frozenset[tuple[str, str]]
    owned: tuple[Owned, ...]
    defaults: tuple[Default, ...]
    definers: tuple[str, ...]


def read_grants(query: Query, roles: Sequence[str]) -> Grants:
    """Reads what the database of `query` grants to `roles` and to every role.

    Args:
        query: runs a statement with parameters (%s) and gives its rows; as a role that may see all catalogs.
    """
    flags = ", ".join(FLAGS[name] for name in ATTRIBUTES)
    listed = query(f"select rolname, {flags} from pg_roles where rolname = any(%s)", [list(roles)])
    there = [str(row[0]) for row in listed]
    attributes = {
        str(row[0]): frozenset(name for name, flag in zip(ATTRIBUTES, row[1:], strict=True) if flag)
        for row in listed
    }
    version, database = query("select current_setting('server_version'), current_database()", [])[0]
    # MAINTAIN is a privilege since version 17.
    known = [
        name
        for name in RELATION_PRIVILEGES
        if name != "MAINTAIN" or int(str(version).split(".")[0]) >= 17  # noqa: PLR2004
    ]
    return Grants(
        str(version),
        str(database),
        attributes,
        _memberships(query, there),
        {
            name: tuple(
                str(row[0])
                for row in query(
                    "select m.rolname from pg_auth_members as a join pg_roles as m on m.oid = a.member"
                    " join pg_roles as r on r.oid = a.roleid where r.rolname = %s order by 1",
                    [name],
                )
            )
            for name in there
        },
        tuple((str(row[0]), str(row[1])) for row in query(_RELATIONS, [])),
        tuple(
            str(row[0])
            for row in query(f"select n.nspname from pg_namespace as n where {OURS} order by 1", [])
        ),
        tuple(_held(query, there, known)),
        frozenset(
            (str(row[0]), str(row[1]), str(row[2]))
            for row in query(
                "select r.name, n.nspname, p.word from unnest(%s::text[]) as r(name)"
                f" cross join pg_namespace as n cross join unnest(array['USAGE', 'CREATE']) as p(word)"
                f" where {OURS} and has_schema_privilege(r.name, n.oid, p.word)",
                [there],
            )
        ),
        _databases(query, there),
        frozenset((str(row[0]), str(row[1]), str(row[2])) for row in query(_TO_EVERYBODY, [])),
        frozenset((str(row[0]), str(row[1])) for row in query(_GRANTABLE, [there])),
        tuple(Owned(*map(str, row)) for row in query(_OWNED, [there])),
        tuple(Default(*map(str, row)) for row in query(_DEFAULTS, [])),
        tuple(
            str(row[0])
            for row in query(
                "select n.nspname || '.' || p.proname from pg_proc as p join pg_namespace as n"
                f" on n.oid = p.pronamespace where p.prosecdef and {OURS} order by 1",
                [],
            )
        ),
    )


_RELATIONS = f"""
select n.nspname, c.relname
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {OURS}
order by 1, 2
"""
_TO_EVERYBODY = f"""
select n.nspname, '', x.privilege_type
from pg_namespace as n cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as x
where x.grantee = 0 and {OURS}
union
select n.nspname, c.relname, x.privilege_type
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
cross join aclexplode(c.relacl) as x
where x.grantee = 0 and {OURS}
union
select n.nspname, c.relname || '.' || a.attname, x.privilege_type
from pg_attribute as a join pg_class as c on c.oid = a.attrelid
join pg_namespace as n on n.oid = c.relnamespace cross join aclexplode(a.attacl) as x
where x.grantee = 0 and {OURS}
"""
_GRANTABLE = f"""
select r.rolname, o.object
from (
    select n.nspname as object, x.grantee, x.is_grantable, n.nspowner as owner
    from pg_namespace as n cross join aclexplode(n.nspacl) as x where {OURS}
    union
    select n.nspname || '.' || c.relname, x.grantee, x.is_grantable, c.relowner
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    cross join aclexplode(c.relacl) as x where {OURS}
    union
    select n.nspname || '.' || c.relname || '.' || a.attname, x.grantee, x.is_grantable, c.relowner
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    join pg_namespace as n on n.oid = c.relnamespace cross join aclexplode(a.attacl) as x where {OURS}
) as o join pg_roles as r on r.oid = o.grantee
where o.is_grantable and o.grantee <> o.owner and r.rolname = any(%s)
"""
_OWNED = f"""
select r.rolname, o.kind, o.schema, o.name
from (
    select 'schema' as kind, n.nspname as schema, n.nspname as name, n.nspowner as owner
    from pg_namespace as n where {OURS}
    union all
    select 'relation', n.nspname, c.relname, c.relowner
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {OURS}
    union all
    select 'function', n.nspname, p.proname, p.proowner
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where {OURS}
    union all
    select 'database', '', d.datname, d.datdba from pg_database as d
    where d.datname = current_database()
) as o join pg_roles as r on r.oid = o.owner
where r.rolname = any(%s)
order by 1, 2, 3, 4
"""
_DEFAULTS = """
select maker.rolname, coalesce(n.nspname, ''), d.defaclobjtype,
    case when x.grantee = 0 then 'public' else grantee.rolname end, x.privilege_type
from pg_default_acl as d join pg_roles as maker on maker.oid = d.defaclrole
left join pg_namespace as n on n.oid = d.defaclnamespace
cross join aclexplode(d.defaclacl) as x
left join pg_roles as grantee on grantee.oid = x.grantee
where x.grantee <> d.defaclrole
order by 1, 2, 3, 4, 5
"""


def _memberships(query: Query, roles: Sequence[str]) -> dict[str, frozenset[str]]:
    rows = query(
        "with recursive above as ("
        " select m.rolname as role, a.roleid from pg_auth_members as a"
        " join pg_roles as m on m.oid = a.member where m.rolname = any(%s)"
        " union select above.role, a.roleid from above join pg_auth_members as a"
        " on a.member = above.roleid)"
        " select above.role, r.rolname from above join pg_roles as r on r.oid = above.roleid",
        [list(roles)],
    )
    return {name: frozenset(str(row[1]) for row in rows if row[0] == name) for name in roles}


def _held(query: Query, roles: Sequence[str], privileges: Sequence[str]) -> list[Held]:
    """On whole relations, and on columns where the relation as a whole is not held. Not the owner's own."""
    whole = query(
        "select r.name, n.nspname, c.relname, p.word"
        " from unnest(%s::text[]) as r(name) cross join pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace cross join unnest(%s::text[]) as p(word)"
        f" where c.relkind in ('r', 'p', 'v', 'm', 'f') and {OURS}"
        " and pg_get_userbyid(c.relowner) <> r.name and has_table_privilege(r.name, c.oid, p.word)",
        [list(roles), list(privileges)],
    )
    sequences = query(
        "select r.name, n.nspname, c.relname, p.word"
        " from unnest(%s::text[]) as r(name) cross join pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " cross join unnest(array['USAGE', 'SELECT', 'UPDATE']) as p(word)"
        f" where c.relkind = 'S' and {OURS} and pg_get_userbyid(c.relowner) <> r.name"
        " and has_sequence_privilege(r.name, c.oid, p.word)",
        [list(roles)],
    )
    columns = query(
        "select r.name, n.nspname, c.relname, a.attname, p.word"
        " from unnest(%s::text[]) as r(name) cross join pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " cross join unnest(%s::text[]) as p(word)"
        f" where c.relkind in ('r', 'p', 'v', 'm', 'f') and {OURS}"
        " and pg_get_userbyid(c.relowner) <> r.name"
        " and has_column_privilege(r.name, c.oid, a.attnum, p.word)"
        " and not has_table_privilege(r.name, c.oid, p.word)",
        [list(roles), list(COLUMN_PRIVILEGES)],
    )
    helds = [Held(str(r), str(s), str(c), None, str(p)) for r, s, c, p in (*whole, *sequences)]
    helds += [Held(str(r), str(s), str(c), str(a), str(p)) for r, s, c, a, p in columns]
    return sorted(
        helds,
        key=lambda held: (held.role, held.schema, held.relation, held.column or "", held.privilege),
    )


def _databases(query: Query, roles: Sequence[str]) -> frozenset[tuple[str, str]]:
    rows = query(
        "select case when x.grantee = 0 then 'public' else pg_get_userbyid(x.grantee) end,"
        " x.privilege_type from pg_database as d"
        " cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as x"
        " where d.datname = current_database() and (x.grantee = 0"
        " or pg_get_userbyid(x.grantee) = any(%s))",
        [list(roles)],
    )
    return frozenset((str(row[0]), str(row[1])) for row in rows)
