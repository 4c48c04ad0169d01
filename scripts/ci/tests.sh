#!/usr/bin/env bash
# The Python tests, which build on DuckDB and on a PostgreSQL of their own; those of the night are left to it.
source "$(dirname "$0")/environment.sh"
.venv/bin/pytest -q -n 2 --dist loadfile -m 'not nightly'
