#!/usr/bin/env bash
# Tag and release with the evidence that this run made: scripts/ci/publish_release.sh VERSION
source "$(dirname "$0")/environment.sh"

version=${1:-}
scripts/ci/check_version.sh "$version"
: "${GITHUB_REPOSITORY:?}" "${GITHUB_RUN_ID:?}" "${GITHUB_SHA:?}"
demand_commit "$GITHUB_SHA" GITHUB_SHA
gh run download "$GITHUB_RUN_ID" --repo "$GITHUB_REPOSITORY" --name evidence --dir target/release
[ -s target/release/evidence.zip ] || die "the evidence of this run is missing"
verdict=$(python3 -c 'import json, sys, zipfile
print(json.loads(zipfile.ZipFile(sys.argv[1]).read("gate/M2.json"))["verdict"])' target/release/evidence.zip)
case $verdict in
    go) flags=() ;;
    rehearsal) flags=(--prerelease) ;;
    *) die "the evidence says '$verdict'" ;;
esac
gh release create "v$version" target/release/evidence.zip --repo "$GITHUB_REPOSITORY" --target "$GITHUB_SHA" "${flags[@]}" \
    --title "v$version" --notes "The gate M2 said $verdict for $GITHUB_SHA. Its evidence: mbp evidence verify evidence.zip"
