"""A server that tests kill is gone at once with every process that it had: none ends in order, none is left."""

from pathlib import Path

import psutil
import psycopg
import pytest

from tests.servers.postgres import UNSYNCED, Server, programs

pytestmark = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL to start")


def test_a_killed_server_leaves_no_process_behind_and_is_started_again_at_once(tmp_path: Path):
    with Server(tmp_path / "server", UNSYNCED) as server:
        for _ in range(2):
            with psycopg.connect(server.dsn(), autocommit=True) as db:
                db.execute("CREATE UNLOGGED TABLE IF NOT EXISTS t (n int)")
                whole = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
                assert db.info.backend_pid in {process.pid for process in whole}
                server.kill()
                left = [each for each in whole if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
                assert left == []
                with pytest.raises(psycopg.OperationalError) as lost:
                    db.execute("SELECT 1")
                assert lost.value.sqlstate is None, "a process that had heard of it would have said goodbye"
            server.start()
        assert "unexpected postmaster exit" not in server.said()
