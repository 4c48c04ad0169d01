#!/usr/bin/env bash
# The Python tests, which build on DuckDB and on a PostgreSQL of their own; those of the night are left to it.
source "$(dirname "$0")/environment.sh"
# A process per core: each has a PostgreSQL of its own.
.venv/bin/pytest -q -n "$(nproc)" --dist loadfile -m 'not nightly'
