#!/usr/bin/env bash
# The full verification: everything from scratch, and every test over whole tables, the slow ones too.
source "$(dirname "$0")/environment.sh"
"$mbp" build --full-refresh
"$mbp" quality prove --engine postgres
# Last: its evidence is of the engine that the gate judges.
"$mbp" quality prove
.venv/bin/dbt build --selector nightly
