"""dbt imports every module whose name begins with dbt_: plain `dbt build` of this project gets the guard so, too."""

from __future__ import annotations

from dbt.plugins.manager import dbtPlugin

PROJECT = "mbp"


class Guard(dbtPlugin):
    """Installs mbp.runs.guard for this project, and leaves others alone."""

    def initialize(self) -> None:
        """Called once, when dbt reads a project."""
        if self.project_name == PROJECT:
            from mbp.runs.guard import install

            install()


plugins = [Guard]
