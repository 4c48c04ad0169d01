# Sourced by the scripts beside it: what is built, what it is compared with, and where the reports go.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

die() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

demand_commit() {
    [[ $1 =~ ^[0-9a-f]{40}$ ]] || die "$2 is no full commit hash: '$1'"
}

MBP_CI_COMMIT=${MBP_CI_COMMIT:-$(git rev-parse HEAD)}
MBP_CI_BASE=${MBP_CI_BASE:-$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || true)}
demand_commit "$MBP_CI_COMMIT" MBP_CI_COMMIT
demand_commit "$MBP_CI_BASE" MBP_CI_BASE
MBP_CI_FOLDER=${MBP_CI_FOLDER:-target/ci}
MBP_CI_BASE_FOLDER=${MBP_CI_BASE_FOLDER:-target/base}
mkdir -p "$MBP_CI_FOLDER"
# dbt writes it into the metadata of its artifacts: they say of which commit they are.
DBT_ENV_CUSTOM_ENV_MBP_CI_COMMIT=$MBP_CI_COMMIT
export MBP_CI_COMMIT MBP_CI_BASE MBP_CI_FOLDER MBP_CI_BASE_FOLDER DBT_ENV_CUSTOM_ENV_MBP_CI_COMMIT
# Read where this file is sourced.
# shellcheck disable=SC2034
mbp=.venv/bin/mbp
