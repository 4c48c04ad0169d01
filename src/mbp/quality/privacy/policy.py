"""The privacy policy (A108): what is looked at, what the words around a value say, what is allowed and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import check, did_you_mean
from mbp.core.yaml_io import line_of, load

POLICY = "contracts/a108/privacy.yaml"
# The first of two that lie over each other is kept: a password in an address is no e-mail.
KINDS = ("access_token", "pix_key", "card", "cnpj", "cpf", "email", "phone", "ip", "name")
# What no reader of files opens; an allowance may name it, no detector finds it.
UNREAD = "unread"
SOURCE_KINDS = ("files", "repository", "evidence", "table", "datasets", "published")
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
                    "optional": TEXT,
                },
                optional=("paths", "table", "optional"),
            ),
        },
        "allowances": {
            "type": "array",
            "items": {
                **closed(
                    {
                        "place": TEXT,
                        "kind": {"enum": (*KINDS, UNREAD)},
                        "reason": TEXT,
                        "expires": {"type": "string", "format": "date"},
                        "count": {"type": "integer", "minimum": 1},
                        "digests": {**WORDS, "minItems": 1},
                    },
                    optional=("expires", "count", "digests"),
                ),
                "oneOf": [{"required": ["expires"]}, {"required": ["count", "digests"]}],
            },
        },
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
class Words:
    """Words that say that a value is of a kind, and words that say that it is another number."""

    says: frozenset[str]
    denies: frozenset[str]


@dataclass(frozen=True)
class SourceEntry:
    """One place that is looked at.

    Attributes:
        optional: why it may be missing; None when its absence is a failure.
    """

    id: str
    kind: str
    why: str
    paths: tuple[str, ...]
    table: str | None
    optional: str | None
    line: int | None


@dataclass(frozen=True)
class Allowance:
    """Values of a kind that may stand in a place: until a day, or exactly so many with these digests."""

    place: str
    kind: str
    reason: str
    expires: date | None
    count: int | None
    digests: frozenset[str]
    line: int | None


@dataclass(frozen=True)
class Target:
    """What every kind must reach on every corpus."""

    recall_percent: float
    precision_percent: float


@dataclass(frozen=True)
class Policy:
    """The policy as read; `path` relative to the project."""

    words: Mapping[str, Words]
    documentation_domains: frozenset[str]
    no_domains: frozenset[str]
    name_fields: frozenset[str]
    secret_length: int
    secret_entropy_bits: float
    sources: tuple[SourceEntry, ...]
    allowances: tuple[Allowance, ...]
    corpus_lines: int
    corpus_seeds: Mapping[str, int]
    target: Target
    not_claimed: Mapping[str, str]
    path: str


def load_policy(root: Path) -> Policy:
    """Reads contracts/a108/privacy.yaml.

    Raises:
        MbpError: missing, unreadable or not of the schema; a source without what its kind needs, or an id twice.
    """
    path = root / POLICY
    name = shown(path, root)
    document = load(path, shown_as=name)
    value = check(document, Draft201909Validator(SCHEMA), name)
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
                entry.get("optional"),
                line,
            )
        )
    return Policy(
        words={
            kind: Words(frozenset(entry["says"]), frozenset(entry["denies"]))
            for kind, entry in value["words"].items()
        },
        documentation_domains=frozenset(value["email"]["documentation_domains"]),
        no_domains=frozenset(value["email"]["no_domains"]),
        name_fields=frozenset(value["names"]["fields"]),
        secret_length=value["secrets"]["minimum_length"],
        secret_entropy_bits=float(value["secrets"]["minimum_entropy_bits"]),
        sources=tuple(sources),
        allowances=tuple(
            _allowance(entry, name, line_of(document["allowances"], index))
            for index, entry in enumerate(value["allowances"])
        ),
        corpus_lines=value["measure"]["lines"],
        corpus_seeds=dict(value["measure"]["seeds"]),
        target=Target(**value["measure"]["target"]),
        not_claimed=dict(value["measure"]["not_claimed"]),
        path=name,
    )


def _demand(entry: Mapping[str, Any], seen: set[str], path: str, line: int | None) -> None:
    needed = {"files": "paths", "table": "table"}.get(entry["kind"])
    if needed and needed not in entry:
        raise MbpError(
            f"a source of kind {entry['kind']} needs {needed!r}",
            path=path,
            line=line,
            cure="add the key",
        )
    for key in ("paths", "table"):
        if key in entry and key != needed:
            raise MbpError(
                f"a source of kind {entry['kind']} has no {key!r}",
                path=path,
                line=line,
                cure=f"remove it, or {did_you_mean(entry['kind'], SOURCE_KINDS)}",
            )
    if entry["id"] in seen:
        raise MbpError(
            f"the source {entry['id']!r} stands twice",
            path=path,
            line=line,
            cure="keep one of the two",
        )
    seen.add(entry["id"])


def _allowance(entry: Mapping[str, Any], path: str, line: int | None) -> Allowance:
    expires = None
    if "expires" in entry:
        try:
            expires = date.fromisoformat(entry["expires"])
        except ValueError as error:
            raise MbpError("expires is no date", path=path, line=line, cure="YYYY-MM-DD") from error
    return Allowance(
        entry["place"],
        entry["kind"],
        entry["reason"].strip(),
        expires,
        entry.get("count"),
        frozenset(entry.get("digests", ())),
        line,
    )
