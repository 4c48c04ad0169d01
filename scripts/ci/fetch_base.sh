#!/usr/bin/env bash
# Brings the stored build of main at the base commit: scripts/ci/fetch_base.sh [COMMIT]
# Only runs of main's own workflow on main count. That there is none is no error here: the build is a full one then,
# and the comment says what could not be compared.
source "$(dirname "$0")/environment.sh"

commit=${1:-$MBP_CI_BASE}
demand_commit "$commit" "the base"
: "${GITHUB_REPOSITORY:?}"
rm -rf "$MBP_CI_BASE_FOLDER"
run=$(gh api "repos/$GITHUB_REPOSITORY/actions/workflows/main.yml/runs?branch=main&event=push&status=success&head_sha=$commit" |
    jq -r '[.workflow_runs[].id] | max // empty')
if [ -z "$run" ]; then
    echo "fetch_base.sh: no stored build of main at $commit" >&2
    exit 0
fi
gh run download "$run" --repo "$GITHUB_REPOSITORY" --name main-build --dir "$MBP_CI_BASE_FOLDER"
