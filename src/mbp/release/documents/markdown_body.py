"""A Markdown document as the checks see it: front matter, headings, code, links, prose, with lines.

CommonMark with tables, read by markdown-it-py; nothing of a document is found by pattern alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mbp.core.errors import MbpError
from mbp.core.schema_check import SchemaViolation, violations
from mbp.core.yaml_io import line_of, plain, read
from mbp.release.documents.document_policy import Kind
from mbp.release.documents.front_matter import SCHEMAS, split

SECTION_LEVEL = 2


@dataclass(frozen=True)
class Heading:
    """A heading."""

    level: int
    title: str
    line: int


@dataclass(frozen=True)
class CodeBlock:
    """A fenced code block; `line` is that of its first line of code."""

    language: str
    text: str
    line: int
    section: str


@dataclass(frozen=True)
class TextRun:
    """Some text: inline code, or prose outside of links and code."""

    text: str
    line: int
    section: str


@dataclass(frozen=True)
class Link:
    """A link; `title` is the text in quotes behind its address."""

    address: str
    title: str
    text: str
    line: int


@dataclass
class Body:
    """The content below the front matter, in order."""

    headings: list[Heading] = field(default_factory=list)
    blocks: list[CodeBlock] = field(default_factory=list)
    code: list[TextRun] = field(default_factory=list)
    prose: list[TextRun] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def sections(self) -> list[Heading]:
        """The headings of level two."""
        return [heading for heading in self.headings if heading.level == SECTION_LEVEL]

    def says(self, section: str) -> bool:
        """There is something under the heading."""
        parts: list[CodeBlock | TextRun] = [*self.blocks, *self.code, *self.prose]
        return any(part.section == section and part.text.strip() for part in parts)


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
    """What Markdown says; `skipped` lines are before it."""
    body, section, line = Body(), "", skipped + 1
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for index, token in enumerate(tokens):
        if token.map:
            line = skipped + token.map[0] + 1
        if token.type in {"fence", "code_block"}:
            fenced = token.type == "fence"
            language = token.info.strip().split(" ")[0] if fenced else "indented"
            body.blocks.append(CodeBlock(language, token.content, line + fenced, section))
        elif token.type == "inline" and index and tokens[index - 1].type == "heading_open":
            title = "".join(child.content for child in token.children or [])
            heading = Heading(int(tokens[index - 1].tag[1:]), title, line)
            body.headings.append(heading)
            if heading.level <= SECTION_LEVEL:
                section = title if heading.level == SECTION_LEVEL else ""
        elif token.type == "inline":
            _inline(body, token.children or [], line, section)
    return body


def _inline(body: Body, children: list[Token], line: int, section: str) -> None:
    opened: Token | None = None
    inside: list[str] = []
    for child in children:
        if child.type in {"softbreak", "hardbreak"}:
            line += 1
            inside.append(" ")
        elif child.type == "link_open":
            opened, inside = child, []
        elif child.type == "link_close" and opened is not None:
            address, title = (str(opened.attrGet(name) or "") for name in ("href", "title"))
            body.links.append(Link(address, title, "".join(inside), line))
            # What a link says is said here too, but its numbers are held against where it leads.
            opened = None
        elif child.type == "code_inline":
            body.code.append(TextRun(child.content, line, section))
            inside.append(child.content)
        elif child.content:
            inside.append(child.content)
            if opened is None:
                body.prose.append(TextRun(child.content, line, section))
