#!/usr/bin/env bash
# Builds on DuckDB: what is modified on a copy of main's warehouse, or everything.
source "$(dirname "$0")/environment.sh"

mode=$("$mbp" ci plan --base "$MBP_CI_BASE_FOLDER" --base-commit "$MBP_CI_BASE" \
    --output "$MBP_CI_FOLDER/build.json")
code=0
case $mode in
    slim) DBT_STATE=$MBP_CI_BASE_FOLDER "$mbp" build --no-snapshot --select state:modified+ || code=$? ;;
    full) "$mbp" build --no-snapshot || code=$? ;;
    *) die "unknown mode '$mode'" ;;
esac
exit "$code"
