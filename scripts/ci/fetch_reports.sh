#!/usr/bin/env bash
# Brings the reports of a run of a pull request into one flat folder: scripts/ci/fetch_reports.sh RUN
# They may come from a fork. Only plain files with the names that the comment reads are taken, each once.
source "$(dirname "$0")/environment.sh"

run=${1:-}
[[ $run =~ ^[0-9]+$ ]] || die "'$run' is no number of a run"
: "${GITHUB_REPOSITORY:?}"
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
gh run download "$run" --repo "$GITHUB_REPOSITORY" --pattern 'reports-*' --dir "$downloads"
known='^(step-[a-z]+|contracts|rules|build|coverage|manifest|run_results)\.json$'
while IFS= read -r -d '' file; do
    name=$(basename "$file")
    [[ $name =~ $known ]] || continue
    [ ! -e "$MBP_CI_FOLDER/$name" ] || die "$name is there twice"
    cp "$file" "$MBP_CI_FOLDER/$name"
done < <(find "$downloads" -type f -print0)
