"""The grants that are there against those that the policy states: too much is a finding, too little too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from mbp.core.reporting import Finding
from mbp.release.security.grants import PUBLIC, Fact
from mbp.release.security.security_policy import DatabaseRole, SecurityPolicy

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
            for grant in role.grants
        )
    if fact.kind == "default":
        # Relations that are made later must not carry more than the policy gives on those of today.
        return fact.name in ("r", "S") and any(
            fact.schema in grant.schemas and fact.word in grant.privileges and not grant.columns
            for grant in role.grants
        )
    return {
        "attribute": fact.word in role.attributes,
        "member": fact.word in role.member_of,
        "schema": fact.word in role.schemas.get(fact.schema, ()),
        "owns": fact.word != "database" and fact.schema in role.owns,
    }.get(fact.kind, False)


def _too_little(role: DatabaseRole, own: set[Fact], relations: Sequence[Fact]) -> Iterator[str]:
    there = {(fact.kind, fact.word, fact.schema, fact.name, fact.column) for fact in own}
    for word in sorted(role.attributes):
        if ("attribute", word, "", "", "") not in there:
            yield f"lacks the attribute {word}"
    for other in sorted(role.member_of):
        if ("member", other, "", "", "") not in there:
            yield f"is no member of {other}"
    for schema, words in sorted(role.schemas.items()):
        for word in sorted(words):
            owned = ("owns", "schema", schema, schema, "") in there
            if not owned and ("schema", word, schema, "", "") not in there:
                yield f"lacks {word} on the schema {schema}"
    names = {f"{fact.schema}.{fact.name}" for fact in relations}
    for grant in role.grants:
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
            if fact.word not in policy.public_database:
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
