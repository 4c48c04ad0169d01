"""What a PostgreSQL really grants: read from its catalog and asked of it for each role, as one list of facts.

Sources: PostgreSQL's system catalogs pg_class, pg_namespace, pg_attribute, pg_roles, pg_auth_members,
pg_default_acl, pg_proc and pg_database, and its access privilege inquiry functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mbp.release.security.security_policy import RELATION_PRIVILEGES

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
