#!/usr/bin/env bash
# Writes the one comment of a pull request, again and again: scripts/ci/post_comment.sh NUMBER FILE
# It is known by its first line and by its author; a comment of somebody else with the same line is left alone.
source "$(dirname "$0")/environment.sh"

[ $# -eq 2 ] || die "usage: scripts/ci/post_comment.sh NUMBER FILE"
number=$1 file=$2
marker='<!-- mbp-ci-comment -->'
author=${MBP_CI_AUTHOR:-github-actions[bot]}
: "${GITHUB_REPOSITORY:?}"
[[ $number =~ ^[1-9][0-9]*$ ]] || die "'$number' is no number of a pull request"
[ -f "$file" ] || die "$file is missing"
[ "$(head -n 1 "$file")" = "$marker" ] || die "$file does not begin with $marker"
[ "$(wc -c <"$file")" -le 65536 ] || die "$file is longer than a comment may be"

comments=repos/$GITHUB_REPOSITORY/issues/$number/comments
# Pages come as one array after the other.
known=$(gh api --paginate "$comments?per_page=100")
id=$(jq -rs --arg marker "$marker" --arg author "$author" \
    '[.[][] | select(.user.login == $author and (.body | startswith($marker))) | .id] | first // empty' \
    <<<"$known")
if [ -n "$id" ]; then
    jq -Rs '{body: .}' "$file" |
        gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --input - >/dev/null
    echo "comment $id is updated"
else
    jq -Rs '{body: .}' "$file" | gh api --method POST "$comments" --input - >/dev/null
    echo "a comment is made"
fi
