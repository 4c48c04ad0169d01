"""The grants that are there against those that the policy states: too much is a finding, too little too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mbp.core.reporting import Finding
from mbp.release.security.grants import PUBLIC, Grants, Held
from mbp.release.security.security_policy import DatabaseRole, SecurityPolicy

MEND = "revoke it, or state it under least_privilege with what needs it"
GRANT = "run `mbp db init --target postgres` as an administrator, or correct least_privilege"


def compare(
    grants: Grants, roles: Mapping[str, DatabaseRole], policy: SecurityPolicy, *, side: str
) -> list[Finding]:
    """Every difference between a live database and the policy.

    Args:
        side: warehouse or source; the place of a problem begins with it.
    """
    messages: list[tuple[str, str, str]] = []
    for role in roles.values():
        if role.name not in grants.attributes:
            messages.append((role.name, "the role is not there", GRANT))
            continue
        checks = (_nature, _schemas, _relations, _ownership)
        messages += [(role.name, *each) for check in checks for each in check(role, grants)]
    messages += [("everybody", what, MEND) for what in _everybody(grants, roles, policy, side)]
    findings = [
        Finding("least_privilege", what, subject=f"{side}:{name}", fix=fix)
        for name, what, fix in messages
    ]
    return sorted(findings, key=lambda finding: finding.order)


def _nature(role: DatabaseRole, grants: Grants) -> Iterator[tuple[str, str]]:
    is_now = grants.attributes[role.name]
    for word in sorted(is_now - role.attributes):
        yield f"has the attribute {word}", MEND
    for word in sorted(role.attributes - is_now):
        yield f"lacks the attribute {word}", GRANT
    for other in sorted(grants.member_of[role.name] - role.member_of):
        yield f"is a member of {other}", MEND
    for other in sorted(role.member_of - grants.member_of[role.name]):
        yield f"is no member of {other}", GRANT
    for what in sorted(thing for who, thing in grants.grantable if who == role.name):
        yield f"may pass on its privileges on {what}", MEND
    for privilege in sorted(word for who, word in grants.databases if who == role.name):
        yield f"has {privilege} on the database", MEND


def _schemas(role: DatabaseRole, grants: Grants) -> Iterator[tuple[str, str]]:
    owned = {
        owned.schema
        for owned in grants.owned
        if owned.owner == role.name and owned.kind == "schema"
    }
    has = {
        (schema, word)
        for who, schema, word in grants.schemas
        if who == role.name and schema not in owned
    }
    may = {(schema, word) for schema, words in role.schemas.items() for word in words}
    for schema, word in sorted(has - may):
        yield f"has {word} on the schema {schema}", MEND
    for schema, word in sorted(may - has):
        if schema not in owned:
            yield f"lacks {word} on the schema {schema}", GRANT


def _relations(role: DatabaseRole, grants: Grants) -> Iterator[tuple[str, str]]:
    held = {held for held in grants.held if held.role == role.name}
    too_much: dict[tuple[str, str, str], list[str]] = {}
    for one in held:
        if not _allowed(one, role):
            key = (one.schema, one.relation, one.privilege)
            too_much.setdefault(key, []).append(one.column or "")
    for (schema, relation, privilege), columns in sorted(too_much.items()):
        which = ", ".join(sorted(filter(None, columns)))
        yield f"has {privilege} on {schema}.{relation}{f' ({which})' if which else ''}", MEND
    own = {(owned.schema, owned.name) for owned in grants.owned if owned.owner == role.name}
    for grant in role.grants:
        if grant.optional:
            continue
        for name in sorted(
            grant.relations - {f"{schema}.{name}" for schema, name in grants.relations}
        ):
            yield f"{name} is not there", GRANT
        for schema, relation in grants.relations:
            if not grant.covers(schema, relation) or (schema, relation) in own:
                continue
            for privilege in sorted(grant.privileges):
                for column in sorted(grant.columns) or ("",):
                    wanted = Held(role.name, schema, relation, column or None, privilege)
                    whole = Held(role.name, schema, relation, None, privilege)
                    if wanted not in held and whole not in held:
                        where = f"{schema}.{relation}{f'.{column}' if column else ''}"
                        yield f"lacks {privilege} on {where}", GRANT


def _allowed(held: Held, role: DatabaseRole) -> bool:
    """Some grant of the policy gives it: a grant on columns gives no whole relation."""
    return any(
        grant.covers(held.schema, held.relation)
        and held.privilege in grant.privileges
        and (not grant.columns or held.column in grant.columns)
        for grant in role.grants
    )


def _ownership(role: DatabaseRole, grants: Grants) -> Iterator[tuple[str, str]]:
    for owned in grants.owned:
        if owned.owner == role.name and (owned.kind == "database" or owned.schema not in role.owns):
            name = (
                owned.name
                if owned.kind in ("schema", "database")
                else f"{owned.schema}.{owned.name}"
            )
            yield f"owns the {owned.kind} {name}", MEND
    for later in grants.defaults:
        if later.grantee != role.name:
            continue
        # Relations that are made later must not carry more than the policy gives on those of today.
        given = later.kind in ("r", "S") and any(
            later.schema in grant.schemas
            and later.privilege in grant.privileges
            and not grant.columns
            for grant in role.grants
        )
        if not given:
            where = f"the schema {later.schema}" if later.schema else "every schema"
            yield f"will have {later.privilege} on what {later.maker} makes in {where}", MEND


def _everybody(
    grants: Grants, roles: Mapping[str, DatabaseRole], policy: SecurityPolicy, side: str
) -> Iterator[str]:
    for privilege in sorted(word for who, word in grants.databases if who == PUBLIC):
        if privilege not in policy.public_database:
            yield f"has {privilege} on the database"
    for schema, relation, privilege in sorted(grants.public):
        # The source is another system: what it gives to every role counts where a role of ours has it.
        if side == "warehouse" and (schema in grants.schema_names):
            yield f"has {privilege} on {schema}{f'.{relation}' if relation else ''}"
    if side == "warehouse":
        for later in grants.defaults:
            if later.grantee == PUBLIC:
                yield f"will have {later.privilege} on what {later.maker} makes in {later.schema or 'every schema'}"
        for function in grants.definers:
            yield f"may run {function} with the rights of its owner"
    else:
        for owned in grants.owned:
            if owned.kind == "function" and owned.owner in roles:
                yield f"{owned.schema}.{owned.name} belongs to {owned.owner}"
