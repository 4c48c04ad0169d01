"""Finds words of the market in the parts of src/ that serve any dbt project.

A part is the market's own when it captures or loads the market's tables: the layer `ingest`, and each module that
imports its readers. Everything else is generic. Names of datasets come from the contracts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = "src/mbp"
# The layer that brings the market's tables in, and what of it only the market's own commands use.
OWN = "src/mbp/ingest"
READERS = ("mbp.ingest.cdc", "mbp.ingest.loading.load_sources")
SUFFIXES = (".py", ".j2", ".yaml", ".toml")
# `quote` also means the sign: names of datasets and raw tables are checked instead.
WORDS = (
    *("abuse", "cpmm", "market", "markets", "prediction", "resolution", "resolutions", "twap"),
    *("trade", "trades", "trader", "traders", "trading"),
)
# file -> why it may hold one.
EXCEPTIONS = {
    "src/mbp/contracts/rendering/dbt_properties.py": "describes the one source that is captured",
    "src/mbp/operate/hooks/templates/dashboard.yml.j2": "titles of the dashboards that the measurement sheet names",
}


def datasets(root: Path) -> list[str]:
    """Names of the datasets, from the files of their contracts."""
    return [
        path.name.partition(".")[0]
        for path in sorted((root / "contracts/a106").glob("*.odcs.yaml"))
    ]


def is_own(path: Path, root: Path) -> bool:
    """The file is of the market's own parts."""
    if path.is_relative_to(root / OWN):
        return True
    if path.suffix != ".py":
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(module.startswith(READERS) for module in modules)


def found(root: Path) -> Iterator[str]:
    """A line for each word in a generic part, and for each exception that is not needed."""
    names = datasets(root)
    if not names:
        raise SystemExit("generic words: no contract, so nothing was checked")
    tables = [name.replace("_", "[.]", 1) for name in names]
    words = re.compile(rf"(?<![\w])({'|'.join([*WORDS, *names, *tables])})(?![\w])", re.IGNORECASE)
    used: set[str] = set()
    for path in sorted((root / SOURCE).rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file() or is_own(path, root):
            continue
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            match = words.search(line)
            if match and name in EXCEPTIONS:
                used.add(name)
            elif match:
                yield f"{name}:{number}: {match[0]!r} is a word of the market in a generic part"
    yield from (f"{name}: the exception is not needed" for name in sorted(EXCEPTIONS.keys() - used))


def main() -> None:
    """Exit code: 0 none, 1 some."""
    lines = list(found(Path(__file__).resolve().parent.parent))
    for line in lines:
        print(line)
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
