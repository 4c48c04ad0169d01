#!/usr/bin/env bash
# The steps of a pull request one after the other, at home, and the comment that its reviewers would read.
# Without MBP_PG_HOST the build on PostgreSQL does not run, and the comment says so.
source "$(dirname "$0")/environment.sh"

rm -rf "$MBP_CI_FOLDER"
mkdir -p "$MBP_CI_FOLDER"
step() { scripts/ci/step.sh "$@" >&2 || echo "pull_request.sh: $1 ended with $?" >&2; }

step lint make lint
step build scripts/ci/build.sh
step contracts scripts/ci/contracts.sh
step rules scripts/ci/rules.sh
step proof scripts/ci/proof.sh
step coverage scripts/ci/coverage.sh
step privacy scripts/ci/privacy.sh
step security .venv/bin/mbp security rehearse
[ -z "${MBP_PG_HOST:-}" ] || step postgres scripts/ci/postgres.sh
step exercises make exercise
step gate scripts/ci/gate.sh
step tests scripts/ci/tests.sh
"$mbp" ci comment "$MBP_CI_FOLDER" --base "$MBP_CI_BASE_FOLDER" --commit "$MBP_CI_COMMIT"
