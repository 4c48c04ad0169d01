#!/usr/bin/env bash
# The number of the open pull request whose head is this branch at this commit; taken from the forge, not from what a
# run left: scripts/ci/find_pull_request.sh OWNER BRANCH COMMIT
source "$(dirname "$0")/environment.sh"

[ $# -eq 3 ] || die "usage: scripts/ci/find_pull_request.sh OWNER BRANCH COMMIT"
demand_commit "$3" "the head"
: "${GITHUB_REPOSITORY:?}"
gh api --method GET "repos/$GITHUB_REPOSITORY/pulls" --raw-field state=open --raw-field "head=$1:$2" |
    jq -er --arg commit "$3" '[.[] | select(.head.sha == $commit) | .number] | first // empty' ||
    die "no open pull request of this branch is at $3: it moved on, or is closed"
