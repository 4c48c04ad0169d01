#!/usr/bin/env bash
# Production as README has it, on the PostgreSQL that MBP_PG_* lead to: its administrator makes the roles, a loader brings
# the sample's rows, a builder builds them, an analyst reads. The artifacts stay apart from those of DuckDB.
source "$(dirname "$0")/environment.sh"

[ -n "${MBP_PG_HOST:-}" ] || die "MBP_PG_HOST is not set: there is no PostgreSQL to build on"
export DBT_TARGET_PATH=target/postgres
export PGHOST=$MBP_PG_HOST PGPORT=${MBP_PG_PORT:-5432} PGDATABASE=${MBP_PG_DATABASE:-mbp} PGPASSWORD=${MBP_PG_PASSWORD:-}
export MBP_PG_PASSWORD=$PGPASSWORD
administrator=${MBP_PG_USER:-mbp}
"$mbp" db init --target postgres
for person in ci_loader:mbp_loader ci_builder:mbp_transformer ci_analyst:mbp_reader; do
    psql -q -v ON_ERROR_STOP=1 -U "$administrator" -v name="${person%:*}" -v role="${person#*:}" -v password="$PGPASSWORD" <<'SQL'
select format('create role %I login', :'name') where to_regrole(:'name') is null \gexec
alter role :"name" password :'password';
grant :"role" to :"name";
SQL
done
# Rows that are there are loaded already: the logs only grow.
for file in seeds/sample/raw_*.csv; do
    table=$(basename "$file" .csv)
    table=${table/__/.}
    [ "$(psql -qtA -U ci_loader -c "select count(*) from $table")" = 0 ] || continue
    psql -q -v ON_ERROR_STOP=1 -U ci_loader -c "\\copy $table ($(head -n 1 "$file")) from '$file' csv header"
done
export MBP_RAW=loaded MBP_NOW=end_of_data
MBP_PG_USER=ci_builder MBP_PG_ROLE=mbp_transformer "$mbp" build --target postgres --no-snapshot
[ "$(psql -qtA -U ci_analyst -c 'select count(*) > 0 from published.mbp_markets')" = t ]
