"""A project in a temporary folder, to be spoiled one place at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from typer.testing import CliRunner, Result

from mbp.cli import main as cli
from mbp.core.errors import EXIT_COULD_NOT_RUN, MbpError

PARTS = ("contracts", "models/marts/mbp", "tests/dbt/generic")
QUOTES = "contracts/a106/mbp_quotes.odcs.yaml"
MARKETS = "contracts/a106/mbp_markets.odcs.yaml"
RESOLUTIONS = "contracts/a106/mbp_resolutions.odcs.yaml"
ABUSE_EVENTS = "contracts/a106/mbp_abuse_events.odcs.yaml"
SOON = date.today() + timedelta(days=30)


@dataclass
class Project:
    """A project in a temporary folder."""

    root: Path

    def text(self, file: str) -> str:
        return (self.root / file).read_text(encoding="utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replaces the first occurrence of `old`, which must be there."""
        text = self.text(file)
        assert old in text, f"{old!r} is not in {file}"
        (self.root / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    def line(self, file: str, anchor: str) -> int:
        """1-based line of the first occurrence of `anchor`."""
        text = self.text(file)
        assert anchor in text, f"{anchor!r} is not in {file}"
        return text.count("\n", 0, text.index(anchor)) + 1

    def run(self, *arguments: str) -> Result:
        """Runs `mbp contracts ...`; bad input becomes exit 2, as in `mbp.cli.main.main`."""
        cli.register()
        result = CliRunner().invoke(
            cli.app, ["contracts", *arguments], env={"MBP_PROJECT_DIR": str(self.root)}
        )
        if isinstance(result.exception, MbpError):
            result.exit_code = EXIT_COULD_NOT_RUN
        return result
