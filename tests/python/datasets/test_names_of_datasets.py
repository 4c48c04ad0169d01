"""Only a dataset's own model and the market's own rules name it: everything else takes its list from the contracts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lab.simulate.schema import CONTRACTS, LOGS

# What may name datasets, and why. A folder ends in a slash.
MAY_NAME = {
    "macros/daily/market_history.sql": "what a rule may know of a market",
    "macros/measures/time_spine.sql": "time begins with the first market",
    "models/_exposures.yml": "each reader lists what it reads",
    "models/intermediate/_intermediate__models.yml": "status history and TWAP, in the words of the contracts",
    "models/marts/reliability/": "the KPIs of the market",
    "models/semantic/": "the metrics of A87",
    "models/verification/datasets_verified.sql": "the history of the markets is kept with what was verified",
}
TEXT = {".py", ".sql", ".yml", ".yaml", ".j2", ".toml", ".md"}
SOME_IN_A_LIST = 3


def files(root: Path, *folders: str) -> Iterable[tuple[str, str]]:
    """Path and text of what people write, in the folders."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in TEXT and ".gen." not in path.name:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def test_a_dataset_is_named_by_its_own_model_and_the_rules_of_the_market(
    project_root: Path,
) -> None:
    name = re.compile(rf"\b({'|'.join(CONTRACTS)})(?![a-z])")
    found: dict[str, set[str]] = {}
    for path, text in files(project_root, "src", "macros", "models"):
        own = f"models/marts/mbp/{Path(path).stem}.sql" == path and Path(path).stem
        found[path] = set(name.findall(text)) - {own}
    used = {
        entry
        for entry in MAY_NAME
        for path, names in found.items()
        if names and path.startswith(entry)
    }
    assert used == set(MAY_NAME)
    assert [
        path for path, names in found.items() if names and not path.startswith(tuple(MAY_NAME))
    ] == []


def test_no_tables_of_change_logs_are_listed(project_root: Path) -> None:
    tables = [table.partition(".")[2] for table in LOGS.values()]
    quoted = re.compile(rf"""(?:["']|public\.)({"|".join(tables)})\b""")
    lists = {
        path
        for path, text in files(
            project_root, "src", "macros", "models", "tests/dbt", "contracts/gates"
        )
        if any(len(set(quoted.findall(line))) >= SOME_IN_A_LIST for line in text.splitlines())
    }
    # The calibration of prices reads three, and no other would be right there.
    assert lists == {"macros/measures/calibration.sql"}
