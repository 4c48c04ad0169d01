#!/usr/bin/env bash
# May this version be released? scripts/ci/check_version.sh VERSION
source "$(dirname "$0")/environment.sh"

version=${1:-}
[[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]] || die "'$version' is no version such as 1.2.0"
grep -qxF "version = \"$version\"" pyproject.toml || die "pyproject.toml names another version than $version"
[ -z "$(git tag --list "v$version")" ] || die "v$version was released already"
