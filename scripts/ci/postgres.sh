#!/usr/bin/env bash
# Builds and tests on the PostgreSQL that MBP_PG_* lead to; its artifacts stay apart from those of DuckDB.
source "$(dirname "$0")/environment.sh"

[ -n "${MBP_PG_HOST:-}" ] || die "MBP_PG_HOST is not set: there is no PostgreSQL to build on"
export DBT_TARGET_PATH=target/postgres
"$mbp" db init --target postgres
"$mbp" build --target postgres --no-snapshot
