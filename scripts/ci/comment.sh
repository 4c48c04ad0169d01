#!/usr/bin/env bash
# From the reports of a run of a pull request to its comment: scripts/ci/comment.sh RUN OWNER BRANCH CONCLUSION
# The code is that of main. MBP_CI_COMMIT is the head of the pull request as the forge tells it.
source "$(dirname "$0")/environment.sh"

[ $# -eq 4 ] || die "usage: scripts/ci/comment.sh RUN OWNER BRANCH CONCLUSION"
run=$1 owner=$2 branch=$3 conclusion=$4
number=$(scripts/ci/find_pull_request.sh "$owner" "$branch" "$MBP_CI_COMMIT")
scripts/ci/fetch_reports.sh "$run"
# The run has checked out the merge of that head into the base, and its reports name the merge. The forge says whose
# merge it is; reports of any other commit stay those of another one.
: "${GITHUB_REPOSITORY:?}"
merge=$(jq -r '.commit? // empty' "$MBP_CI_FOLDER"/step-*.json 2>/dev/null | sort -u) || merge=
if [[ $merge =~ ^[0-9a-f]{40}$ ]] && gh api "repos/$GITHUB_REPOSITORY/commits/$merge" |
    jq -e --arg head "$MBP_CI_COMMIT" 'any(.parents[]; .sha == $head)' >/dev/null; then
    MBP_CI_COMMIT=$merge
fi
# Only a commit that main's own workflow has built is found; reports that name none, or two, are compared with nothing.
base=$(jq -r '.base? // empty' "$MBP_CI_FOLDER"/step-*.json 2>/dev/null | sort -u) || base=
[[ ! $base =~ ^[0-9a-f]{40}$ ]] || scripts/ci/fetch_base.sh "$base"

text=$MBP_CI_FOLDER/comment.md
rm -f "$text"
"$mbp" ci comment "$MBP_CI_FOLDER" --base "$MBP_CI_BASE_FOLDER" --commit "$MBP_CI_COMMIT" \
    --conclusion "$conclusion" --run-url "${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_REPOSITORY/actions/runs/$run" --output "$text" || echo "the comment's verdict is not green"
scripts/ci/post_comment.sh "$number" "$text"
