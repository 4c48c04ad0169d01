"""A Markdown document as the checks see it: front matter, code blocks and inline code, with lines.

CommonMark with tables, read by markdown-it-py; nothing of a document is found by pattern alone. MkDocs reads front
matter too, but takes YAML that it cannot read for no front matter, and knows no lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args

from markdown_it import MarkdownIt

from mbp.core.errors import MbpError
from mbp.core.schema_check import TEXT, SchemaViolation, check, closed, violations
from mbp.core.yaml_io import line_of, load, loads, plain, read

POLICY = "contracts/a110/documents.yaml"
Kind = Literal["adr", "runbook", "plan"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FENCE = "---"
DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
DECISION_ID = {"type": "string", "pattern": "^ADR-[0-9]{3}$"}
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
DECISION_STATES = {"enum": ["proposed", "accepted", "superseded", "rejected"]}
RUNBOOK_STATES = {"enum": ["draft", "active", "retired"]}


def _list(items: Mapping[str, Any], *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "uniqueItems": True, "items": dict(items)}


_COMMON = {"title": TEXT, "date": DAY, "owners": _list(TEXT, least=1), "watchers": _list(NAME)}
_ADR = {
    **_COMMON,
    "id": DECISION_ID,
    "status": DECISION_STATES,
    "supersedes": _list(DECISION_ID),
    "superseded_by": _list(DECISION_ID),
}
_RUNBOOK = {
    **_COMMON,
    "id": NAME,
    "status": RUNBOOK_STATES,
    "hooks": _list(NAME),
    "alarms": _list(NAME),
}
_PLAN = {**_COMMON, "id": NAME, "status": DECISION_STATES}
SCHEMAS: Mapping[Kind, dict[str, Any]] = {
    "adr": closed(_ADR, optional=("supersedes", "superseded_by")),
    "runbook": closed(_RUNBOOK, optional=("alarms",)),
    "plan": closed(_PLAN, optional=("watchers",)),
}
POLICY_SCHEMA = closed(
    {
        "version": {"const": 1},
        "review_within_days": {"type": "integer", "minimum": 1},
        "programs": {"type": "object", "additionalProperties": TEXT},
    }
)


def load_document_policy(root: Path) -> Mapping[str, Any]:
    """`review_within_days` of a runbook or a plan, and `programs`: what a document may call beside mbp -> the reason.

    Raises:
        MbpError: missing, or not of its schema.
    """
    document = load(root / POLICY, shown_as=POLICY)
    policy: Mapping[str, Any] = check(document, POLICY_SCHEMA, POLICY)
    return policy


def split(text: str, shown_as: str) -> tuple[Any, int]:
    """The front matter as `mbp.core.yaml_io` loads it, with the lines of the file; the lines it takes.

    Raises:
        MbpError: there is none, it does not end, it is not a mapping, or it is not YAML.
    """
    lines = text.split("\n")
    fix = "begin the file with --- lines around id, title, status, date, owners"
    if lines[0] != FENCE:
        raise MbpError("no front matter", path=shown_as, line=1, fix=fix)
    if FENCE not in lines[1:]:
        raise MbpError("the front matter does not end", path=shown_as, line=1, fix=fix)
    end = lines.index(FENCE, 1)
    # An empty line replaces the first fence: lines are then those of the file.
    front = loads("\n".join(["", *lines[1:end], ""]), shown_as=shown_as)
    if not isinstance(front, dict):
        raise MbpError("the front matter is not a mapping", path=shown_as, line=1, fix=fix)
    return front, end + 1


SECTION = "h2"


@dataclass(frozen=True)
class CodeBlock:
    """A fenced code block; `line` is that of its first line of code."""

    language: str
    text: str
    line: int
    section: str


@dataclass(frozen=True)
class InlineCode:
    """What is between backticks."""

    text: str
    line: int


@dataclass
class Body:
    """The code below the front matter, in order."""

    blocks: list[CodeBlock] = field(default_factory=list)
    code: list[InlineCode] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """One document.

    Attributes:
        front: front matter with its lines; None when it cannot be read.
        values: the front matter as plain data, dates as ISO text; whatever its form.
        problem: why the front matter cannot be read.
        form: where the front matter does not follow its schema.
        sha256: of the file.
    """

    kind: Kind
    path: str
    front: Any
    values: dict[str, Any]
    problem: MbpError | None
    form: tuple[SchemaViolation, ...]
    body: Body
    sha256: str

    @property
    def whole(self) -> bool:
        """The front matter can be read and follows its schema."""
        return self.problem is None and not self.form

    @property
    def name(self) -> str:
        """The id; the file's name when there is none."""
        return str(self.values.get("id") or Path(self.path).stem)

    @property
    def status(self) -> str:
        """Of the front matter; empty when it has none."""
        return str(self.values.get("status") or "")

    def line(self, key: str) -> int | None:
        """The line of a key of the front matter."""
        return line_of(self.front, key) if key in self.values else 1

    def listed(self, key: str) -> list[str]:
        """A list of the front matter; empty when it is not there."""
        return [str(value) for value in self.values.get(key) or []]


def read_document(file: Path, kind: Kind, shown_as: str) -> Document:
    """The document, as far as it can be read.

    Raises:
        MbpError: the file is missing or not UTF-8 text.
    """
    text = read(file, shown_as=shown_as)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    front, skipped, problem = None, 0, None
    form: tuple[SchemaViolation, ...] = ()
    values: dict[str, Any] = {}
    try:
        front, skipped = split(text, shown_as)
    except MbpError as error:
        problem = error
    else:
        values = plain(front)
        form = tuple(violations(front, SCHEMAS[kind]))
    body = read_body("\n".join(text.split("\n")[skipped:]), skipped)
    return Document(kind, shown_as, front, values, problem, form, body, digest)


def read_body(text: str, skipped: int = 0) -> Body:
    """The code in Markdown; `skipped` lines are before it."""
    body, section, line = Body(), "", skipped + 1
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for index, token in enumerate(tokens):
        if token.map:
            line = skipped + token.map[0] + 1
        if token.type in {"fence", "code_block"}:
            fenced = token.type == "fence"
            language = token.info.strip().split(" ")[0] if fenced else "indented"
            body.blocks.append(CodeBlock(language, token.content, line + fenced, section))
        elif token.type == "inline":
            if index and tokens[index - 1].tag == SECTION:
                section = token.content
            for child in token.children or []:
                line += child.type in {"softbreak", "hardbreak"}
                if child.type == "code_inline":
                    body.code.append(InlineCode(child.content, line))
    return body


def runbook_steps(path: Path) -> list[tuple[str, list[str]]]:
    """(section, its commands), of the sections that have commands, in the order in which people run them.

    Raises:
        MbpError: the runbook cannot be read.
    """
    body = read_body(read(path, shown_as=path.name))
    blocks = [block for block in body.blocks if block.language == "sh"]
    return [
        (section, [line for block in group for line in block.text.splitlines() if line.strip()])
        for section, group in groupby(blocks, key=lambda block: block.section)
    ]
