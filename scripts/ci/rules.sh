#!/usr/bin/env bash
# Which rules hold after the build, and whose are those that do not.
source "$(dirname "$0")/environment.sh"
"$mbp" ci rules --base "$MBP_CI_BASE_FOLDER" --base-commit "$MBP_CI_BASE" >"$MBP_CI_FOLDER/rules.json"
