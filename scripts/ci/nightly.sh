#!/usr/bin/env bash
# The full verification: everything from scratch, and every test over whole tables, the slow ones too.
source "$(dirname "$0")/environment.sh"
"$mbp" build --full-refresh
.venv/bin/dbt build --selector nightly
