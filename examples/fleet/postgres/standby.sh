#!/bin/sh
# A streaming standby that the primary's commits wait for. To promote it, first make sure that the primary is off:
# docker compose stop primary; docker compose exec standby pg_ctl promote
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    until pg_basebackup --pgdata "$PGDATA" --write-recovery-conf --wal-method stream --checkpoint fast \
        --dbname "host=primary user=replicator application_name=standby"; do
        sleep 1
    done
    chmod 0700 "$PGDATA"
fi
exec postgres -c hot_standby=on
