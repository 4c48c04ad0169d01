"""The privacy policy (A108): what is scanned, what the words around a value mean, what is allowed and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts.drafting.profile_files import own_or_default
from mbp.contracts.exceptions import (
    LIST,
    AllowedException,
    demand_objects,
    read_exceptions,
    refuse_old_keys,
)
from mbp.contracts.exceptions import SCHEMA as EXCEPTIONS
from mbp.contracts.policy import load_policy as load_quality_policy
from mbp.core.errors import MbpError
from mbp.core.schema_check import TEXT, check, closed, did_you_mean
from mbp.core.yaml_io import line_of, load

POLICY = "contracts/a108/privacy.yaml"
# The first of two that lie over each other is kept: a password in an address is no e-mail.
KINDS = ("access_token", "pix_key", "card", "cnpj", "cpf", "email", "phone", "ip", "name")
# Codes of exceptions beside the kinds: what no reader of files opens, and a source that may be missing.
UNREAD = "unread"
SOURCE_MISSING = "source_missing"
SOURCE_KINDS = ("files", "repository", "evidence", "table", "datasets", "published")
# Keys of an exception for exactly so many values with these digests.
PINNED = ("count", "digests")
WORDS = {"type": "array", "items": TEXT, "uniqueItems": True}
PERCENT = {"type": "number", "minimum": 0, "maximum": 100}

SCHEMA = closed(
    {
        "version": {"const": 1},
        "words": closed({kind: closed({"says": WORDS, "denies": WORDS}) for kind in KINDS}),
        "email": closed({"documentation_domains": WORDS, "no_domains": WORDS}),
        "names": closed({"fields": {**WORDS, "minItems": 1}}),
        "secrets": closed(
            {
                "minimum_length": {"type": "integer", "minimum": 8},
                "minimum_entropy_bits": {"type": "number", "exclusiveMinimum": 0},
            }
        ),
        "sources": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": TEXT,
                    "kind": {"enum": SOURCE_KINDS},
                    "why": TEXT,
                    "paths": {**WORDS, "minItems": 1},
                    "table": TEXT,
                },
                optional=("paths", "table"),
            ),
        },
        LIST: EXCEPTIONS,
        "measure": closed(
            {
                "lines": {"type": "integer", "minimum": 2000},
                "seeds": closed({"tuned": {"type": "integer"}, "held_out": {"type": "integer"}}),
                "target": closed({"recall_percent": PERCENT, "precision_percent": PERCENT}),
                "not_claimed": {
                    "type": "object",
                    "propertyNames": {"enum": list(KINDS)},
                    "additionalProperties": TEXT,
                },
            }
        ),
    }
)


@dataclass(frozen=True)
class KindWords:
    """Words that say that a value is of a kind, and words that say that it is another number."""

    says: frozenset[str]
    denies: frozenset[str]


@dataclass(frozen=True)
class SourceEntry:
    """One place that is scanned."""

    id: str
    kind: str
    why: str
    paths: tuple[str, ...]
    table: str | None
    line: int | None


@dataclass(frozen=True)
class Target:
    """What every kind must reach on every corpus."""

    recall_percent: float
    precision_percent: float


@dataclass(frozen=True)
class PrivacyPolicy:
    """The policy as read; `path` relative to the project."""

    words: Mapping[str, KindWords]
    documentation_domains: frozenset[str]
    no_domains: frozenset[str]
    name_fields: frozenset[str]
    secret_length: int
    secret_entropy_bits: float
    sources: tuple[SourceEntry, ...]
    exceptions: tuple[AllowedException, ...]
    corpus_lines: int
    corpus_seeds: Mapping[str, int]
    target: Target
    not_claimed: Mapping[str, str]
    path: str

    @property
    def allowed_values(self) -> tuple[AllowedException, ...]:
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
    path, name = own_or_default(root, POLICY, "a108_privacy.yaml"), POLICY
    document = load(path, shown_as=name)
    refuse_old_keys(document, name, {"allowances": LIST})
    for source in document.get("sources", ()):
        refuse_old_keys(source, name, {"optional": f"an exception {SOURCE_MISSING!r} under {LIST}"})
    value = check(document, SCHEMA, name)
    exceptions = _exceptions(document[LIST], name, load_quality_policy(root).owners)
    seen: set[str] = set()
    sources = []
    for index, entry in enumerate(value["sources"]):
        line = line_of(document["sources"], index)
        _demand(entry, seen, name, line)
        sources.append(
            SourceEntry(
                entry["id"],
                entry["kind"],
                entry["why"].strip(),
                tuple(entry.get("paths", ())),
                entry.get("table"),
                line,
            )
        )
    missing = [entry for entry in exceptions if entry.code == SOURCE_MISSING]
    demand_objects(missing, seen)
    return PrivacyPolicy(
        words={
            kind: KindWords(frozenset(entry["says"]), frozenset(entry["denies"]))
            for kind, entry in value["words"].items()
        },
        documentation_domains=frozenset(value["email"]["documentation_domains"]),
        no_domains=frozenset(value["email"]["no_domains"]),
        name_fields=frozenset(value["names"]["fields"]),
        secret_length=value["secrets"]["minimum_length"],
        secret_entropy_bits=float(value["secrets"]["minimum_entropy_bits"]),
        sources=tuple(sources),
        exceptions=exceptions,
        corpus_lines=value["measure"]["lines"],
        corpus_seeds=dict(value["measure"]["seeds"]),
        target=Target(**value["measure"]["target"]),
        not_claimed=dict(value["measure"]["not_claimed"]),
        path=name,
    )


def _demand(entry: Mapping[str, Any], seen: set[str], path: str, line: int | None) -> None:
    kind, name = entry["kind"], entry["id"]
    needed = {"files": "paths", "table": "table"}.get(kind)
    problems = []
    if needed and needed not in entry:
        problems.append((f"a source of kind {kind} needs {needed!r}", "add the key"))
    for key in {"paths", "table"} & entry.keys() - {needed}:
        fix = f"remove it, or {did_you_mean(kind, SOURCE_KINDS)}"
        problems.append((f"a source of kind {kind} has no {key!r}", fix))
    if name in seen:
        problems.append((f"the source {name!r} appears twice", "keep one of the two"))
    if problems:
        what, fix = min(problems)
        raise MbpError(what, path=path, line=line, fix=fix)
    seen.add(name)


def _exceptions(nodes: Any, path: str, owners: Collection[str]) -> tuple[AllowedException, ...]:
    entries = read_exceptions(
        nodes,
        path,
        owners,
        codes=(*KINDS, UNREAD, SOURCE_MISSING),
        more={
            "count": {"type": "integer", "minimum": 1},
            "digests": {**WORDS, "minItems": 1},
        },
        optional=PINNED,
    )
    for entry in entries:
        pinned = entry.code != SOURCE_MISSING
        if entry.more and (not pinned or entry.more.keys() != set(PINNED)):
            raise MbpError(
                f"the exception {entry.code} of {entry.object} has {', '.join(entry.more)}",
                path=path,
                line=entry.line,
                fix="write count and digests together" if pinned else "remove them",
            )
    return entries
