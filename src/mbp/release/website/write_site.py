"""The folder of the site, whole or as it was."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import shown
from mbp.operate.build import DOCS_PAGE
from mbp.release.website.pages import DBT, PROJECT, pages
from mbp.runs.dbt_process import target_path

MARK = ".mbp_site"
# The overview of dbt docs leads here both from beside the site and from within it.
FROM_BESIDE, FROM_WITHIN = "](site/", "]("


def write_site(root: Path, folder: Path) -> int:
    """Writes every page; what was there before is replaced. The number of pages.

    Raises:
        MbpError: dbt docs were not generated, or are not of these contracts; the folder is not the site's; it
            cannot be written.
    """
    files = {
        **pages(root),
        DBT: _dbt_docs(root),
        MARK: "made by `mbp docs site`; it is replaced as a whole\n",
    }
    if folder.exists() and not (folder / MARK).is_file():
        raise MbpError(
            "is there, and is no site", path=folder, cure="name another --output, or remove it"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            fresh = Path(scratch) / "fresh"
            for name, text in files.items():
                write_text(fresh / name, text)
            fresh.chmod(0o755)
            if folder.exists():
                folder.rename(Path(scratch) / "replaced")
            shutil.move(fresh, folder)
    except OSError as error:
        raise MbpError(
            f"cannot be written: {error.strerror}", path=folder, cure="give another --output"
        ) from error
    return len(files) - 1


def _dbt_docs(root: Path) -> str:
    path = target_path(root) / DOCS_PAGE
    name = shown(path, root)
    cure = "run `make site`, which generates it"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MbpError("dbt docs are not there, or cannot be read", path=name, cure=cure) from error
    for contract in load_contracts(root):
        if f"model.{PROJECT}.{contract.dataset}" not in text:
            raise MbpError(f"does not show {contract.dataset}", path=name, cure=cure)
    return text.replace(FROM_BESIDE, FROM_WITHIN)
