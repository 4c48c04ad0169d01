#!/usr/bin/env bash
# May the contracts of this commit follow those of the base?
source "$(dirname "$0")/environment.sh"
"$mbp" contracts check --ref "$MBP_CI_BASE" --format json --output "$MBP_CI_FOLDER/contracts.json"
