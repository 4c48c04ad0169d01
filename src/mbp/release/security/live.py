"""The part `least_privilege`: what live servers grant, held against the policy; too much is a finding, too little too.

What is granted is read from the catalog and asked for each role. Sources: PostgreSQL's system catalogs pg_class,
pg_namespace, pg_attribute, pg_roles, pg_auth_members, pg_default_acl, pg_proc and pg_database, and its access
privilege inquiry functions.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.security.part_result import PartResult, judged, unmeasured
from mbp.release.security.security_policy import RELATION_PRIVILEGES, DatabaseRole, SecurityPolicy
from mbp.warehouse import connect
from mbp.warehouse.connection import engine_of

MEND = "revoke it, or state it under least_privilege with what needs it"
GRANT = "run `mbp db init --target postgres` as an administrator, or correct least_privilege"
# Kind of a fact -> what a role then is or has.
TEXTS = {
    "attribute": "has the attribute {0.word}",
    "member": "is a member of {0.word}",
    "grantable": "may pass on its privileges on {0.name}",
    "database": "has {0.word} on the database",
    "schema": "has {0.word} on the schema {0.schema}",
    "held": "has {0.word} on {0.schema}.{0.name}",
    "column": "has {0.word} on {0.schema}.{0.name}",
    "owns": "owns the {0.word} {0.name}",
    "default": "will have {0.word} on what {0.column} makes in {1}",
}


def compare(
    facts: Sequence[Fact], roles: Mapping[str, DatabaseRole], policy: SecurityPolicy, *, side: str
) -> list[Finding]:
    """Every difference between a live database and the policy.

    Args:
        facts: of `read_grants`.
        side: warehouse or source; the place of a problem begins with it.
    """
    messages: list[tuple[str, str, str]] = []
    for role in roles.values():
        own = {fact for fact in facts if fact.who == role.name}
        if not own:
            messages.append((role.name, "the role is not there", GRANT))
            continue
        messages += [(role.name, what, MEND) for what in _too_much(role, own)]
        relations = [fact for fact in facts if fact.kind == "relation"]
        messages += [(role.name, what, GRANT) for what in _too_little(role, own, relations)]
    messages += [("everybody", what, MEND) for what in _everybody(facts, roles, policy, side)]
    findings = [
        Finding("least_privilege", what, subject=f"{side}:{name}", fix=fix)
        for name, what, fix in messages
    ]
    return sorted(findings, key=lambda finding: finding.order)


def _text(fact: Fact) -> str:
    where = f"the schema {fact.schema}" if fact.schema else "every schema"
    return TEXTS[fact.kind].format(fact, where)


def _too_much(role: DatabaseRole, own: set[Fact]) -> Iterator[str]:
    excess = sorted(fact for fact in own if fact.kind in TEXTS and not _allowed(fact, role))
    for text, facts in groupby(excess, key=_text):
        columns = ", ".join(fact.column for fact in facts if fact.kind == "column")
        yield f"{text} ({columns})" if columns else text


def _allowed(fact: Fact, role: DatabaseRole) -> bool:
    """The policy gives it: a grant on columns gives no whole relation."""
    if fact.kind in ("held", "column"):
        return any(
            grant.covers(fact.schema, fact.name)
            and fact.word in grant.privileges
            and (not grant.columns or fact.column in grant.columns)
            for grant in role.relations
        )
    if fact.kind == "default":
        # Relations that are made later must not carry more than the policy gives on those of today.
        return fact.name in ("r", "S") and any(
            fact.schema in grant.in_ and fact.word in grant.privileges and not grant.columns
            for grant in role.relations
        )
    return {
        "attribute": fact.word in role.attributes,
        "member": fact.word in role.member_of,
        "schema": fact.word in role.schemas.get(fact.schema, ()),
        "owns": fact.word != "database" and fact.schema in role.owns,
    }.get(fact.kind, False)


def _too_little(role: DatabaseRole, own: set[Fact], relations: Sequence[Fact]) -> Iterator[str]:
    there = {(fact.kind, fact.word, fact.schema, fact.name, fact.column) for fact in own}
    for attribute in sorted(role.attributes):
        if ("attribute", attribute, "", "", "") not in there:
            yield f"lacks the attribute {attribute}"
    for other in sorted(role.member_of):
        if ("member", other, "", "", "") not in there:
            yield f"is no member of {other}"
    for schema, words in sorted(role.schemas.items()):
        for usage in sorted(words):
            owned = ("owns", "schema", schema, schema, "") in there
            if not owned and ("schema", usage, schema, "", "") not in there:
                yield f"lacks {usage} on the schema {schema}"
    names = {f"{fact.schema}.{fact.name}" for fact in relations}
    for grant in role.relations:
        if grant.optional:
            continue
        yield from (f"{name} is not there" for name in sorted(grant.relations - names))
        for _, _, _, schema, name, _ in relations:
            owned = ("owns", "relation", schema, f"{schema}.{name}", "") in there
            if owned or not grant.covers(schema, name):
                continue
            for word in sorted(grant.privileges):
                for column in sorted(grant.columns) or [""]:
                    held = {
                        ("held", word, schema, name, ""),
                        ("column", word, schema, name, column),
                    }
                    if not held & there:
                        yield f"lacks {word} on {schema}.{name}{f'.{column}' if column else ''}"


def _everybody(
    facts: Sequence[Fact], roles: Mapping[str, DatabaseRole], policy: SecurityPolicy, side: str
) -> Iterator[str]:
    for fact in facts:
        if fact.who == PUBLIC and fact.kind == "database":
            if fact.word not in policy.least_privilege.public.database:
                yield _text(fact)
        # The source is another system: what it gives to every role counts where a role of ours has it.
        elif side == "source":
            if fact.kind == "owns" and fact.word == "function" and fact.who in roles:
                yield f"{fact.name} belongs to {fact.who}"
        elif fact.who == PUBLIC and fact.kind == "default":
            yield _text(fact)
        elif fact.kind == "public":
            yield f"has {fact.word} on {fact.schema}{f'.{fact.name}' if fact.name else ''}"
        elif fact.kind == "definer":
            yield f"may run {fact.name} with the rights of its owner"


Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
PUBLIC = "public"


class Fact(NamedTuple):
    """One thing that the catalog says; what a kind does not use is empty.

    Attributes:
        who: the role, or PUBLIC.
        kind: server (word: its version, name: the database), relation (it exists), role (it exists), attribute, member
            (of the role `word`, through others too), has_member (`word`, directly), schema, held (on a whole relation),
            column (where the relation as a whole is not held), public (granted to every role), database, grantable,
            owns (`word`: schema, relation, function or database), default (word: the privilege, name: kind of object,
            column: who makes it; schema '' is any) and definer (a function that runs with the rights of its owner).
        word: of a privilege.
    """

    who: str
    kind: str
    word: str
    schema: str
    name: str
    column: str


def read_grants(query: Query, roles: Sequence[str]) -> list[Fact]:
    """What the database of `query` grants to `roles` and to every role, sorted.

    Args:
        query: runs a statement with parameters (%s) and gives its rows; as a role that may see all catalogs.
    """
    return sorted({Fact(*map(str, row)) for row in query(FACTS, [list(roles)])})


# Privileges of the owner are not grants. MAINTAIN is a privilege since version 17.
FACTS = f"""
with recursive role as (
    select * from pg_roles where rolname = any(%s)
), above as (
    select role.oid, link.roleid from role join pg_auth_members as link on link.member = role.oid
    union select above.oid, link.roleid from above join pg_auth_members as link on link.member = above.roleid
), space as (
    select * from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
), relation as (
    select pg_class.*, nspname from pg_class join space on space.oid = relnamespace
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
), acl as (
    select nspname as schema, '' as name, '' as col, nspowner as owner, x.*, nspacl is null as implied
    from space cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as x
    union all select nspname, relname, '', relowner, x.*, false from relation cross join aclexplode(relacl) as x
    union all select nspname, relname, '.' || attname, relowner, x.*, false
    from relation join pg_attribute on attrelid = relation.oid cross join aclexplode(attacl) as x
), owned as (
    select 'schema' as kind, nspname as schema, nspname as name, nspowner as owner from space
    union all select 'relation', nspname, nspname || '.' || relname, relowner from relation
    union all select 'function', nspname, nspname || '.' || proname, proowner
    from pg_proc join space on space.oid = pronamespace
    union all select 'database', '', datname, datdba from pg_database where datname = current_database()
)
select '', 'server', current_setting('server_version'), '', current_database(), ''
union all select '', 'relation', '', nspname, relname, '' from relation
union all select rolname, 'role', '', '', '', '' from role
union all select rolname, 'attribute', word, '', '', '' from role cross join lateral (values
    ('LOGIN', rolcanlogin), ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
    ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) as flags (word, is_set) where is_set
union all select role.rolname, 'member', pg_get_userbyid(roleid), '', '', '' from above join role using (oid)
union all select rolname, 'has_member', pg_get_userbyid(member), '', '', ''
    from role join pg_auth_members on roleid = role.oid
union all select rolname, 'schema', word, nspname, '', ''
    from role cross join space cross join (values ('USAGE'), ('CREATE')) as privilege (word)
    where nspowner <> role.oid and has_schema_privilege(role.oid, space.oid, word)
union all select rolname, 'held', word, nspname, relname, ''
    from role cross join relation cross join unnest(array{list(RELATION_PRIVILEGES)}) as word
    where relkind <> 'S' and relowner <> role.oid and case
        when word = 'MAINTAIN' and current_setting('server_version_num')::int < 170000 then false
        else has_table_privilege(role.oid, relation.oid, word) end
union all select rolname, 'held', word, nspname, relname, ''
    from role cross join relation cross join (values ('USAGE'), ('SELECT'), ('UPDATE')) as privilege (word)
    where relkind = 'S' and relowner <> role.oid and has_sequence_privilege(role.oid, relation.oid, word)
union all select rolname, 'column', word, nspname, relname, attname
    from role cross join relation
    join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
    cross join (values ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) as privilege (word)
    where relkind <> 'S' and relowner <> role.oid and has_column_privilege(role.oid, relation.oid, attnum, word)
    and not has_table_privilege(role.oid, relation.oid, word)
union all select '{PUBLIC}', 'public', privilege_type, schema, name || col, '' from acl where grantee = 0
union all select pg_get_userbyid(grantee), 'grantable', '', '', concat_ws('.', schema, nullif(name, '')) || col, ''
    from acl join role on role.oid = grantee where is_grantable and grantee <> owner and not implied
union all select case grantee when 0 then '{PUBLIC}' else pg_get_userbyid(grantee) end,
    'database', privilege_type, '', '', ''
    from pg_database cross join aclexplode(coalesce(datacl, acldefault('d', datdba)))
    where datname = current_database() and (grantee = 0 or grantee in (select oid from role))
union all select rolname, 'owns', kind, schema, name, '' from owned join role on role.oid = owner
union all select case grantee when 0 then '{PUBLIC}' else pg_get_userbyid(grantee) end,
    'default', privilege_type, coalesce(nspname, ''), defaclobjtype::text, pg_get_userbyid(defaclrole)
    from pg_default_acl left join pg_namespace on pg_namespace.oid = defaclnamespace
    cross join aclexplode(defaclacl) where grantee <> defaclrole
union all select '{PUBLIC}', 'definer', '', '', nspname || '.' || proname, ''
    from pg_proc join space on space.oid = pronamespace where prosecdef
"""


PART = "least_privilege"


@dataclass(frozen=True)
class Sides:
    """What is asked: the warehouse, and the market's own PostgreSQL where it can be reached."""

    server: str
    warehouse: Query
    source: Query | None
    why_no_source: str = ""


Servers = Callable[[], AbstractContextManager[Sides]]


def least_privilege(
    root: Path,
    policy: SecurityPolicy,
    *,
    target: str,
    servers: Servers | None = None,
) -> PartResult:
    """Reads the grants and compares them with the policy.

    Args:
        target: dbt target of the warehouse; the source is that of MBP_SOURCE_HOST and its like.
        servers: gives other servers to check instead.

    Raises:
        MbpError: a server cannot be reached.
    """
    if servers is None and engine_of(root, target) != "postgres":
        return unmeasured(PART, f"the target {target} has no roles: use --target postgres")
    with servers() if servers else reached(root, target) as sides:
        live = {"warehouse": read_grants(sides.warehouse, sorted(policy.least_privilege.warehouse))}
        if sides.source is not None:
            live["source"] = read_grants(sides.source, sorted(policy.least_privilege.source))
    sides_of_policy = policy.least_privilege
    expected = {"warehouse": sides_of_policy.warehouse, "source": sides_of_policy.source}
    problems: list[Finding] = []
    for side, facts in live.items():
        problems += compare(facts, expected[side], policy, side=side)
    kinds = Counter(fact.kind for facts in live.values() for fact in facts)
    counts: dict[str, int | str] = {
        "roles": kinds["role"],
        "relations": kinds["relation"],
        "privileges": kinds["held"] + kinds["column"] + kinds["schema"],
    }
    content = {"server": sides.server, **{side: _content(facts) for side, facts in live.items()}}
    if sides.source is None and not problems:
        result = unmeasured(PART, sides.why_no_source, counts)
        return PartResult(PART, result.verdict, counts, reason=result.reason, content=content)
    return judged(PART, counts, problems, must="relations", content=content)


@contextmanager
def reached(root: Path, target: str) -> Iterator[Sides]:
    """The target, and the source where the environment names one."""
    with connect(root, target, read_only=True) as warehouse:

        def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
            return warehouse.query(sql, params)[1]

        if not os.environ.get("MBP_SOURCE_HOST"):
            why = "the CDC source was not checked: MBP_SOURCE_HOST is not set"
            yield Sides(f"target {target}", ask, None, why)
            return
        from mbp.ingest.cdc.market_source import source_of_environment

        connection = source_of_environment().connect()
        try:
            connection.set_session(readonly=True, autocommit=True)
            yield Sides(f"target {target} and its source", ask, asking(connection))
        finally:
            connection.close()


def asking(connection: Any) -> Query:
    """Queries of an open connection."""

    def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, params)
                return list(cursor.fetchall())
        except psycopg2.Error as error:
            raise MbpError(
                f"the catalog cannot be read: {' '.join(str(error).split())}",
                fix="connect as a user who may read pg_catalog",
            ) from error

    return ask


def _content(facts: Sequence[Fact]) -> dict[str, Any]:
    def words(kind: str) -> dict[str, list[str]]:
        """Of each role."""
        return {
            role.who: [fact.word for fact in facts if (fact.who, fact.kind) == (role.who, kind)]
            for role in facts
            if role.kind == "role"
        }

    (server,) = (fact for fact in facts if fact.kind == "server")
    return {
        "postgresql": server.word,
        "database": server.name,
        "roles": words("attribute"),
        "members": words("has_member"),
        "relations": sum(fact.kind == "relation" for fact in facts),
        "privileges": [
            f"{fact.who} {fact.word} {fact.schema}.{fact.name} {fact.column}".strip()
            for fact in facts
            if fact.kind in ("held", "column")
        ],
    }
