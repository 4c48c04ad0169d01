#!/usr/bin/env bash
# Documentation coverage: over the threshold, and not worse than main where main is known.
source "$(dirname "$0")/environment.sh"

compare=()
[ ! -f "$MBP_CI_BASE_FOLDER/coverage.json" ] || compare=(--compare "$MBP_CI_BASE_FOLDER/coverage.json")
"$mbp" docs coverage --format json --output "$MBP_CI_FOLDER/coverage.json" "${compare[@]}"
