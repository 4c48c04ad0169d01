#!/usr/bin/env bash
# Runs one step of a pull request and leaves a record of it for the comment: scripts/ci/step.sh NAME COMMAND...
# The exit code is that of the command. A command that writes $MBP_CI_FOLDER/NAME.json has a report.
source "$(dirname "$0")/environment.sh"

[ $# -ge 2 ] || die "usage: scripts/ci/step.sh NAME COMMAND..."
name=$1
shift
[[ $name =~ ^[a-z]+$ ]] || die "'$name' is no name of a step"
report=$MBP_CI_FOLDER/$name.json
record=$MBP_CI_FOLDER/step-$name.json
rm -f "$report" "$record"

started=$(date +%s%N)
code=0
"$@" || code=$?
milliseconds=$((($(date +%s%N) - started) / 1000000))

digest=
[ ! -f "$report" ] || digest=$(sha256sum "$report" | cut -d' ' -f1)
printf '{"step": "%s", "commit": "%s", "base": "%s", "exit_code": %d, "milliseconds": %d, "report_sha256": "%s"}\n' \
    "$name" "$MBP_CI_COMMIT" "$MBP_CI_BASE" "$code" "$milliseconds" "$digest" >"$record.new"
mv "$record.new" "$record"
exit "$code"
