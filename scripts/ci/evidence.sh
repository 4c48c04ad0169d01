#!/usr/bin/env bash
# The pack of evidence in target/release: scripts/ci/evidence.sh [--go]
# Measures everything, and asks the gate. Every night it may well say no, and the pack says why. With --go it has to say
# go, perhaps for a rehearsal: that is no release, and publish_release.sh calls it none.
source "$(dirname "$0")/environment.sh"

pack=target/release/evidence.zip
case ${1:-} in
    --go) allowed=3 ;;
    '') allowed='1 3' ;;
    *) die "unknown option '$1'" ;;
esac
code=0
scripts/gate || code=$?
[[ " 0 $allowed " == *" $code "* ]] || exit "$code"
mkdir -p "$(dirname "$pack")"
"$mbp" evidence build --output "$pack"
# No key lives in CI. Who signed off has signed inside of the pack, and that is verified.
"$mbp" evidence verify --allow-unsigned "$pack"
