#!/usr/bin/env bash
# The Python tests, which build on DuckDB and on a PostgreSQL of their own.
source "$(dirname "$0")/environment.sh"
.venv/bin/pytest -q -n 2 --dist loadfile
