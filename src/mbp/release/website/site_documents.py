"""The documents of the repository as pages: links between them stay links, those that lead elsewhere are named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from mbp.core.errors import MbpError
from mbp.core.yaml_io import read
from mbp.release.documents.markdown_body import anchor

FOLDER = "docs"
# Doc blocks that dbt reads: they are shown where they belong, in dbt docs.
NOT_PAGES = ("docs/dbt",)
FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def documents(root: Path) -> dict[str, str]:
    """Document -> its page, both relative.

    Raises:
        MbpError: there is none.
    """
    found = sorted(path.relative_to(root).as_posix() for path in (root / FOLDER).rglob("*.md"))
    pages = {
        name: f"{name.removesuffix('.md')}.html" for name in found if not name.startswith(NOT_PAGES)
    }
    if not pages:
        raise MbpError("no document to show", path=FOLDER, cure="restore docs/ from git")
    return pages


def title_and_body(root: Path, name: str, pages: Mapping[str, str]) -> tuple[str, Markup]:
    """The heading of a document, and what stands below it as HTML.

    Raises:
        MbpError: it cannot be read, or does not begin with a heading.
    """
    text = COMMENT.sub("", FRONT.sub("", read(root / name, shown_as=name)))
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    if len(tokens) < 3 or tokens[0].tag != "h1":  # noqa: PLR2004 (a heading is three tokens)
        raise MbpError(
            "a document begins with its title", path=name, line=1, cure="write `# Title` first"
        )
    title = tokens[1].content.replace("`", "")
    body = list(_adapted(tokens[3:], name, pages))
    rendered = _Renderer(parser).render(body, parser.options, {})
    return title, Markup(rendered)  # noqa: S704 (the parser escapes; HTML of a document is not let through)


def _adapted(tokens: Sequence[Token], name: str, pages: Mapping[str, str]) -> Iterator[Token]:
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = anchor(tokens[place + 1].content)
        if token.children:
            token.children = list(_with_pages(token.children, name, pages))
        yield token


def _with_pages(tokens: Sequence[Token], name: str, pages: Mapping[str, str]) -> Iterator[Token]:
    """Links to documents lead to their pages; what has none keeps its words, and pictures are named."""
    kept = True
    for token in tokens:
        if token.type == "image":
            told = Token("text", "", 0)
            told.content = f"(picture: {token.content})"
            yield told
        elif token.type == "link_open":
            address = _address(str(token.attrs.get("href", "")), name, pages)
            kept = address is not None
            if address is not None:
                token.attrs = {"href": address}
                yield token
        elif token.type == "link_close":
            if kept:
                yield token
            kept = True
        else:
            yield token


def _address(href: str, name: str, pages: Mapping[str, str]) -> str | None:
    if "://" in href or href.startswith("#"):
        return href
    path, _, part = unquote(href).partition("#")
    here = PurePosixPath(name).parent
    page = pages.get(os.path.normpath(here / path))
    if page is None:
        return None
    way = PurePosixPath(os.path.relpath(page, here)).as_posix()
    return f"{way}#{part}" if part else way


class _Renderer(RendererHTML):
    """Tables and code that are wider than a phone move inside of their frame, and the keyboard reaches them."""

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del tokens, options, env
        return f'<div class="scroll" role="region" aria-label="Table {idx}" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del tokens, idx, options, env
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        plain = super().fence(tokens, idx, options, env)
        return plain.replace(
            "<pre>", f'<pre tabindex="0" role="region" aria-label="Code {idx}">', 1
        )
