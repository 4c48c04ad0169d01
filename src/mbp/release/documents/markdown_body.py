"""A Markdown document as the checks see it: front matter, code blocks and inline code, with lines.

CommonMark with tables, read by markdown-it-py; nothing of a document is found by pattern alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from mbp.core.errors import MbpError
from mbp.core.schema_check import SchemaViolation, as_json, violations
from mbp.core.yaml_io import line_of, plain, read
from mbp.release.documents.front_matter import VALIDATORS, Kind, split

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
        values = as_json(plain(front))
        form = tuple(violations(front, VALIDATORS[kind]))
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
