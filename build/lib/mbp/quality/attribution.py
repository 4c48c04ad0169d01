"""Which rule a refused build belongs to: the engine names the column, the contract the rule."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A table that dbt is still building carries a suffix: mbp_quotes__dbt_tmp, mbp_quotes__dbt_tmp1234.
_SUFFIX = r"(?:__dbt_(?:tmp|backup)\w*)?"
_NOT_NULL = (
    # DuckDB
    re.compile(rf"NOT NULL constraint failed: (?P<table>\w+?){_SUFFIX}\.\"?(?P<column>\w+)\"?"),
    # PostgreSQL
    re.compile(
        rf"null value in column \"(?P<column>\w+)\" of relation \"(?P<table>\w+?){_SUFFIX}\""
        r" violates not-null constraint"
    ),
    # PostgreSQL, when a table that exists is altered
    re.compile(
        rf"column \"(?P<column>\w+)\" of relation \"(?P<table>\w+?){_SUFFIX}\" contains null values"
    ),
)
_UNIQUE = (
    # DuckDB: Duplicate key "quote_id: q1" violates primary key constraint
    re.compile(
        r"Duplicate key \"(?P<column>\w+): [^\"]*\" violates (?:primary key|unique) constraint"
    ),
    re.compile(
        r"duplicate key value violates unique constraint .*?Key \((?P<column>\w+)\)=", re.DOTALL
    ),
)


@dataclass(frozen=True)
class ConstraintViolation:
    """A constraint that stopped a build: `kind` is not_null or unique."""

    kind: str
    column: str

    def rule_id(self, dataset: str) -> str:
        """The id of the contract rule that the constraint enforces."""
        return f"{dataset}_{self.column}_{self.kind}"


def constraint_violation(message: str) -> ConstraintViolation | None:
    """The constraint named in an engine's error, None when the error is something else."""
    for kind, patterns in (("not_null", _NOT_NULL), ("unique", _UNIQUE)):
        for pattern in patterns:
            matched = pattern.search(message)
            if matched:
                return ConstraintViolation(kind=kind, column=matched["column"])
    return None


# Values are in single quotes, after a colon, or are no identifier; names of relations are kept.
_QUOTED = re.compile(r"'[^'\n]*'|(?<=: )\"[^\"\n]*\"|\"(?![\w.$]+\")[^\"\n]*\"")
_KEY = re.compile(r"=\([^)]*\)")


def safe_message(message: str) -> str:
    """An engine's error in one line, without the values that engines like to quote.

    Both engines put the offending value in quotes or in a DETAIL line; it may be personal.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    kept: list[str] = []
    for line in lines:
        if line.startswith(("DETAIL", "CONTEXT", "HINT", "LINE ", "compiled code at", "^")):
            break
        kept.append(line)
    # dbt's first line only names the node, which the finding does already.
    if len(kept) > 1 and re.match(r"(Database|Runtime|Compilation) Error in ", kept[0]):
        kept = kept[1:]
    text = kept[0] if kept else "no message"
    return _KEY.sub("=(…)", _QUOTED.sub("'…'", text))[:300]
