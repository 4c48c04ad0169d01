#!/usr/bin/env bash
# Builds main and keeps what pull requests compare with: scripts/ci/store_main.sh [FOLDER]
# dbt cannot defer across DuckDB files, so the warehouse is kept beside the artifacts.
source "$(dirname "$0")/environment.sh"

folder=${1:-$MBP_CI_BASE_FOLDER}
rm -rf "$folder"
mkdir -p "$folder"
"$mbp" build --full-refresh --no-snapshot
"$mbp" docs coverage --format json --output "$folder/coverage.json"
cp target/manifest.json target/catalog.json target/run_results.json "$folder/"
cp "${MBP_DUCKDB_PATH:-mbp.duckdb}" "$folder/mbp.duckdb"
# Last: a folder without it is not taken for a stored build.
echo "$MBP_CI_COMMIT" >"$folder/commit.txt"
