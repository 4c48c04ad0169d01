#!/usr/bin/env bash
# No personal data and no secret in files, datasets and artifacts of the build; and what the scanner misses.
source "$(dirname "$0")/environment.sh"
"$mbp" privacy measure
"$mbp" privacy scan
