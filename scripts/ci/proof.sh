#!/usr/bin/env bash
# Each rule catches the fault that is planted for it; on PostgreSQL, which is started for it, those that this commit can
# have disarmed: a macro of one engine does not show on the other.
source "$(dirname "$0")/environment.sh"

code=0
"$mbp" quality prove || code=$?
worst=$code
code=0
"$mbp" quality prove --engine postgres --changed-since "$MBP_CI_BASE" || code=$?
# A finding (1) says more than an engine that could not run (2); neither is green.
if [ "$worst" -ne 1 ] && [ "$code" -ne 0 ]; then worst=$code; fi
exit "$worst"
