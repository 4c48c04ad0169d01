"""What MkDocs cannot know: pages that follow from the contracts, dbt docs, and files that are no pages.

MkDocs loads this file by its path (`hooks:` in mkdocs.yml) and calls the functions by their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

from mbp.core.errors import MbpError
from mbp.release.website.data_pages import data_pages, dataset_table
from mbp.release.website.site_facts import absent

HOME = "README.md"
DBT_PAGE = "dbt.html"
LIVE, NOT_READ = "live", "`make site` reads the warehouse"
ASSETS = Path(__file__).parent / "assets"
NO_DBT_DOCS = (
    "<!doctype html><html lang='en'><title>dbt docs</title><p>`make site` adds dbt docs.</p></html>"
)
# A link of Markdown with its text; not a picture.
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?(?:\s+\"[^\"]*\")?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Headings get the anchors that code hosts give them: a link works in both."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the contracts, dbt docs (`extra.dbt_docs`, the page as text) and the assets.

    What the warehouse says is `extra.live`; without it the pages say that it was not read.
    """
    try:
        pages = data_pages(_root(config), config.extra.get(LIVE) or absent(NOT_READ))
    except MbpError as error:
        raise PluginError(str(error)) from error
    pages[DBT_PAGE] = config.extra.get("dbt_docs", NO_DBT_DOCS)
    for path in sorted(ASSETS.iterdir()):
        pages[f"assets/{path.name}"] = path.read_text(encoding="utf-8")
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    config.nav = _with_folders(config.nav, sorted(files.src_uris))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Keeps the words of a link to a file of the repository that is no page; the home page lists the datasets."""
    root = _root(config)
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def adapted(matched: re.Match[str]) -> str:
        target = (folder / unquote(matched[2])).resolve()
        outside = not target.is_relative_to(config.docs_dir) or target.is_dir()
        # A file that is not there stays a link: the strict mode of MkDocs names it.
        return matched[1] if outside and target.exists() else matched[0]

    text = LINK.sub(adapted, markdown)
    return f"{text}\n## The data\n\n{dataset_table(root)}\n" if page.file.src_uri == HOME else text


def _with_folders(nav: Any, names: Sequence[str]) -> Any:
    """The navigation, with the pages of a folder (README.md first) in place of its name."""
    if isinstance(nav, list):
        return [_with_folders(entry, names) for entry in nav]
    if isinstance(nav, dict):
        return {title: _with_folders(inner, names) for title, inner in nav.items()}
    if nav.endswith("/"):
        return [name for name in names if name.startswith(nav) and name.endswith(".md")]
    return nav


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent
