"""Documentation coverage of the last build: `mbp docs coverage` under the name that CI expects."""

from __future__ import annotations

import sys

from mbp.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["docs", "coverage"]
    main()
