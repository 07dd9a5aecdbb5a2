"""An address that names several hosts leads past an old primary that has come back."""

from pathlib import Path

import psycopg
import pytest

from benchmarks.scale.failing.twins import DATABASE, Twins
from perdure.adapters.postgres.link.connecting import each_host
from perdure.adapters.postgres.store import PostgresStore
from tests.conformance.stores import opened_run


def test_who_has_seen_the_new_primary_finds_it_behind_the_old_one(tmp_path: Path):
    with Twins(tmp_path) as twins, PostgresStore(twins.dsn) as store:
        opened_run(store)
        twins.catch_up()
        twins.fail_over()
        assert [row.run for row in store.rows()] == ["march"]
        twins.primary.start()
        with psycopg.connect(twins.standby.dsn(DATABASE), autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'perdure' AND pid <> pg_backend_pid()"
            )
            db.execute("UPDATE perdure.runs SET status = 'seen here'")
        assert [row.status for row in store.rows()] == ["seen here"]


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u@a/d", []),
        ("postgresql://u@a:1,b:2/d", ["user=u dbname=d host=a port=1", "user=u dbname=d host=b port=2"]),
        ("host=a,b port=5 dbname=d", ["host=a port=5 dbname=d", "host=b port=5 dbname=d"]),
    ],
)
def test_an_address_of_several_hosts_is_one_of_each(dsn: str, hosts: list[str]):
    assert [set(each.split()) for each in each_host(dsn)] == [set(each.split()) for each in hosts]
