"""The folder of the site: MkDocs builds it beside the old one, and it is replaced whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from dataclasses import replace
from logging.handlers import BufferingHandler
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from mbp.contracts import load_contracts
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.operate.build import DOCS_PAGE
from mbp.release.website.mkdocs_hooks import LIVE
from mbp.release.website.site_facts import Lineage, RecordedState, look
from mbp.runs.dbt_process import target_path

CONFIG = "mkdocs.yml"
MARK = ".mbp_site"
# The overview of dbt docs leads here both from beside the site and from within it.
FROM_BESIDE, FROM_WITHIN = "](site/", "]("


def write_site(
    root: Path, folder: Path, target: str | None = None, known: Lineage | None = None
) -> int:
    """Writes every page; what was there before is replaced. The number of pages.

    Args:
        target: whose warehouse the pages of health and KPIs read; what cannot be read is said there.
        known: what columns and metrics are computed from; pages leave out what is not in it.

    Raises:
        MbpError: dbt docs were not generated, or are not of these contracts; a document is wrong (a broken link, say);
            the folder is not the site's; it cannot be written.
    """
    dbt_docs = _dbt_docs(root)
    if folder.exists() and not (folder / MARK).is_file():
        raise MbpError(
            "exists and is not a site", path=folder, fix="name another --output, or remove it"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            fresh = Path(scratch) / "fresh"
            live = replace(look(root, target), lineage=known or Lineage())
            _build(root, fresh, dbt_docs, live)
            (fresh / MARK).write_text("made by `mbp docs site`; it is replaced as a whole\n")
            if folder.exists():
                folder.rename(Path(scratch) / "replaced")
            shutil.move(fresh, folder)
    except OSError as error:
        raise MbpError(
            f"cannot be written: {error.strerror}", path=folder, fix="give another --output"
        ) from error
    return sum(1 for _ in folder.rglob("*.html"))


def _build(root: Path, folder: Path, dbt_docs: str, live: RecordedState) -> None:
    # MkDocs Material announces on the terminal, at each build, when its support ends: docs/site.md says it once.
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    handler = BufferingHandler(capacity=10_000)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("mkdocs")
    logger.addHandler(handler)
    try:
        config = load_config(str(root / CONFIG), strict=True, site_dir=str(folder))
        config.extra.update({"dbt_docs": dbt_docs, LIVE: live})
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
        config.plugins.on_shutdown()
    except MkDocsException as error:
        warnings = [" ".join(record.getMessage().split()).rstrip(".") for record in handler.buffer]
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        raise MbpError(
            f"{warnings[0]}{more}" if warnings else str(error),
            path=CONFIG,
            fix="correct it; `.venv/bin/mkdocs build --strict` lists all",
        ) from error
    finally:
        logger.removeHandler(handler)


def _dbt_docs(root: Path) -> str:
    path = target_path(root) / DOCS_PAGE
    name = shown(path, root)
    fix = "run `make site`, which generates it"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MbpError("dbt docs are not there, or cannot be read", path=name, fix=fix) from error
    project = read_project(root)["name"]
    for contract in load_contracts(root):
        if f"model.{project}.{contract.dataset}" not in text:
            raise MbpError(f"does not show {contract.dataset}", path=name, fix=fix)
    return text.replace(FROM_BESIDE, FROM_WITHIN)
