#!/usr/bin/env bash
# Runs one step of a pull request and leaves a record of it for the comment: scripts/ci/step.sh NAME COMMAND...
# The exit code is that of the command. A command that writes $MBP_CI_FOLDER/NAME.json has a report.
source "$(dirname "$0")/environment.sh"

[ $# -ge 2 ] || die "usage: scripts/ci/step.sh NAME COMMAND..."
name=$1
shift
exec "$mbp" ci step --base "$MBP_CI_BASE" "$name" -- "$@"
