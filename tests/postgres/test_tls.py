"""TLS is libpq's: a store that asks for a server which proves who it is gets no other one."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended
from perdure.values.errors import StoreDenied
from tests.conformance.stores import opened_run
from tests.servers.postgres import Server


def programs_with_tls() -> Path | None:
    """Return programs of PostgreSQL that were built with TLS: those of the wheel are not."""
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        said = subprocess.run(
            [path / "pg_config", "--configure"], capture_output=True, check=False, text=True
        )
        if "openssl" in said.stdout:
            return path
    return None


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Path]]:
    """A server with a certificate for 127.0.0.1, and the file that vouches for it."""
    found, openssl = programs_with_tls(), shutil.which("openssl")
    if found is None or openssl is None:
        pytest.skip("no PostgreSQL with TLS here (Debian's has it), or no openssl")
    monkeypatch.setenv("PERDURE_TEST_POSTGRES", str(found))
    own = Server(tmp_path / "own", {"ssl": "on", "fsync": "off"})
    own.make()
    key, certificate = own.directory / "server.key", own.directory / "server.crt"
    words = [
        "req",
        "-new",
        "-x509",
        "-days",
        "2",
        "-nodes",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    made = subprocess.run(
        [openssl, *words, "-keyout", key, "-out", certificate], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    key.chmod(0o600)
    owner = own.directory.stat()
    for file in (key, certificate):
        shutil.chown(file, owner.st_uid, owner.st_gid)
    root = tmp_path / "root.crt"
    shutil.copy(certificate, root)
    with own:
        yield own, root


def test_a_server_that_proves_who_it_is_is_used_and_another_is_not(certified: tuple[Server, Path]):
    own, root = certified
    dsn = own.database("store")
    with PostgresStore(f"{dsn}?sslmode=verify-full&sslrootcert={root}") as store:
        assert opened_run(store).append() == Appended(1)
        with store.borrowed("asking how this is carried") as db:
            assert db.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (
                True,
            )
    with pytest.raises(StoreDenied) as caught:
        PostgresStore(f"{dsn}?sslmode=verify-full&sslrootcert=/dev/null")
    assert "sslrootcert" in caught.value.hint
    elsewhere = dsn.replace("127.0.0.1", "localhost")
    with pytest.raises(StoreDenied):
        PostgresStore(f"{elsewhere}?sslmode=verify-full&sslrootcert={root}")
