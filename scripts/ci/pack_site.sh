#!/usr/bin/env bash
# The documentation site as the archive that the pages of the forge are made of.
source "$(dirname "$0")/environment.sh"

site=target/site
[ -f "$site/index.html" ] || die "$site/index.html is missing: run make site first"
mkdir -p target/release
tar --create --file target/release/artifact.tar --directory "$site" --dereference --hard-dereference .
