"""dbt imports every module whose name begins with dbt_: so plain dbt gets the guard in a project with contracts."""

from __future__ import annotations

import os
from pathlib import Path

from dbt.plugins.manager import dbtPlugin


class Guard(dbtPlugin):
    """Installs mbp.runs.guard for a project with contracts, and leaves others alone."""

    def initialize(self) -> None:
        """Called once, when dbt reads a project."""
        from mbp.core.errors import MbpError
        from mbp.core.paths import project_root

        try:
            project_root(Path(os.environ.get("DBT_PROJECT_DIR") or Path.cwd()))
        except MbpError:
            return
        from mbp.runs.guard import install

        install()


plugins = [Guard]
