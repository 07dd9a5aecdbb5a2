#!/bin/sh
# Runs once, when the primary's directory is made. The last line counts only from the next start on: before it there is no
# standby, and every commit of this script would wait for one.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
    --set worker="$WORKER_PASSWORD" --set replica="$REPLICA_PASSWORD" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replica';
CREATE ROLE perdure_worker LOGIN PASSWORD :'worker';
-- By its directory a restored base backup is told from the store.
GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO perdure_worker;
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)';
SQL
echo "host replication replicator all scram-sha-256" >>"$PGDATA/pg_hba.conf"
