#!/usr/bin/env bash
# The gate at a merge, after the build and the exercises of this copy: no check that was measured may fail. Left to
# others: signatures, production (rehearsal checks), and evidence that the other steps measure and judge themselves.
source "$(dirname "$0")/environment.sh"

"$mbp" build --no-snapshot
"$mbp" watch --once || [ $? -eq 1 ] # the first look of a new warehouse finds runs that nobody has collected
"$mbp" kpi collect
"$mbp" watch --once
"$mbp" deploy-check --merge
report=$MBP_CI_FOLDER/gate_M2.json
code=0
"$mbp" gate M2 --format json >"$report" || code=$?
[ "$code" -ne 2 ] || exit 2
failed=$(jq -r '.results[] | select(.verdict == "fail" and (.rehearsal | not)) | "\(.id) (\(.owner)): \(.message)"' "$report")
[ -z "$failed" ] || { echo "$failed" && exit 1; }
