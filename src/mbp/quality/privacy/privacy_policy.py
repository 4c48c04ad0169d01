"""The privacy policy (A108): what is scanned, what the words around a value mean, what is allowed and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from mbp.contracts.drafting.profile_files import own_or_default
from mbp.contracts.exceptions import AllowedException, demand_known, demand_objects
from mbp.contracts.policy import load_policy as load_quality_policy
from mbp.core.errors import MbpError
from mbp.core.forms import SOME, Above0, Beside, Narrowed, Percent, Positive, Version, form_of
from mbp.core.schema_check import did_you_mean
from mbp.core.yaml_io import load

POLICY = "contracts/a108/privacy.yaml"
# The first of two that lie over each other is kept: a password in an address is no e-mail.
Kind = Literal["access_token", "pix_key", "card", "cnpj", "cpf", "email", "phone", "ip", "name"]
KINDS = get_args(Kind)
# Codes of exceptions beside the kinds: what no reader of files opens, and a source that may be missing.
UNREAD = "unread"
SOURCE_MISSING = "source_missing"
SourceKind = Literal["files", "repository", "evidence", "table", "datasets", "published"]
Words = frozenset[str]
SomeWords = Annotated[tuple[str, ...], Narrowed(minItems=1, uniqueItems=True)]


@dataclass(frozen=True)
class KindWords:
    """Words that say that a value is of a kind, and words that say that it is another number."""

    says: Words
    denies: Words


@dataclass(frozen=True)
class EmailDomains:
    """Domains where no person can have an address, and what only resembles a domain."""

    documentation_domains: Words
    no_domains: Words


@dataclass(frozen=True)
class PersonNames:
    """Fields that hold the name of a person."""

    fields: Annotated[Words, SOME]


@dataclass(frozen=True)
class SecretForm:
    """From where on a value may be a secret."""

    minimum_length: Annotated[int, Narrowed(minimum=8)]
    minimum_entropy_bits: Above0


@dataclass(frozen=True)
class SourceEntry:
    """One place that is scanned."""

    id: str
    kind: SourceKind
    why: str
    paths: SomeWords = ()
    table: str | None = None
    line: Beside[int | None] = None


@dataclass(frozen=True)
class ValueException(AllowedException):
    """Of a value, a file or a source; with `count` and `digests` for exactly so many values with these digests."""

    count: Positive | None = None
    digests: SomeWords = ()


@dataclass(frozen=True)
class Target:
    """What every kind must reach on every corpus."""

    recall_percent: Percent
    precision_percent: Percent


@dataclass(frozen=True)
class Measure:
    """The corpora that the scan is measured on, and kinds that it does not claim to find -> why."""

    lines: Annotated[int, Narrowed(minimum=2000)]
    seeds: Mapping[Literal["tuned", "held_out"], int]
    target: Target
    not_claimed: Annotated[Mapping[str, str], Narrowed(propertyNames={"enum": list(KINDS)})]


@dataclass(frozen=True)
class PrivacyPolicy:
    """The whole file."""

    version: Version
    words: Mapping[Kind, KindWords]
    email: EmailDomains
    names: PersonNames
    secrets: SecretForm
    sources: Annotated[tuple[SourceEntry, ...], SOME]
    exceptions: tuple[ValueException, ...]
    measure: Measure

    @property
    def allowed_values(self) -> tuple[ValueException, ...]:
        """The exceptions for what a scan finds; `object` is a pattern of places, `code` a kind."""
        return tuple(entry for entry in self.exceptions if entry.code != SOURCE_MISSING)

    @property
    def may_be_missing(self) -> Mapping[str, AllowedException]:
        """Source -> the exception by which it may be missing or empty."""
        return {entry.object: entry for entry in self.exceptions if entry.code == SOURCE_MISSING}


def load_policy(root: Path) -> PrivacyPolicy:
    """Reads contracts/a108/privacy.yaml.

    Raises:
        MbpError: missing, unreadable or not of the schema; a source without what its kind needs, or an id twice; an
            exception that is not one, or for an unknown source; the A89 policy, which knows the owners, cannot be read.
    """
    document = load(own_or_default(root, POLICY, "a108_privacy.yaml"), shown_as=POLICY)
    policy = form_of(PrivacyPolicy, document, POLICY)
    codes = (*KINDS, UNREAD, SOURCE_MISSING)
    demand_known(policy.exceptions, load_quality_policy(root).owners, codes)
    for entry in policy.exceptions:
        _demand_pins(entry)
    seen: set[str] = set()
    for source in policy.sources:
        problems = list(_problems(source))
        if source.id in seen:
            problems.append((f"the source {source.id!r} appears twice", "keep one of the two"))
        if problems:
            what, fix = min(problems)
            raise MbpError(what, path=POLICY, line=source.line, fix=fix)
        seen.add(source.id)
    demand_objects(list(policy.may_be_missing.values()), seen)
    return policy


def _problems(source: SourceEntry) -> Iterator[tuple[str, str]]:
    """(what is wrong, fix): a source without what its kind needs, or with what it does not have."""
    needed = {"files": "paths", "table": "table"}.get(source.kind)
    for key in ("paths", "table"):
        if key == needed and not getattr(source, key):
            yield f"a source of kind {source.kind} needs {key!r}", "add the key"
        elif key != needed and getattr(source, key):
            fix = f"remove it, or {did_you_mean(source.kind, get_args(SourceKind))}"
            yield f"a source of kind {source.kind} has no {key!r}", fix


def _demand_pins(entry: ValueException) -> None:
    pins = [key for key in ("count", "digests") if getattr(entry, key)]
    pinned = entry.code != SOURCE_MISSING
    if pins and (not pinned or len(pins) == 1):
        raise MbpError(
            f"the exception {entry.subject} has {', '.join(pins)}",
            path=POLICY,
            line=entry.line,
            fix="write count and digests together" if pinned else "remove them",
        )
