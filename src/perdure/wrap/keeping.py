"""The wrapper's side of its keeper: started, heard, and started again where it was killed.

Invariants:
- Gateway and door are sockets of the wrapper's that every keeper is given: while one is started again, what clients
  ask waits in the kernel, at the same port and path.
- A keeper that ends without having been told to is started again, up to a bound; the one after it goes on with the log.
"""

import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from msgspec import structs

from perdure.values import errors
from perdure.values.errors import KeeperFailed, PerdureError, Unlistenable
from perdure.values.limits import (
    KEEPER_END_SECONDS,
    KEEPER_LIVES_MAX,
    KEEPER_LIVES_SECONDS,
    KEEPER_QUIET_SECONDS,
    KEEPER_SAID_BYTES_MAX,
)
from perdure.wrap.crews import Crew
from perdure.wrap.order import (
    ClientEnded,
    ClientStarted,
    KeepingOrder,
    Ready,
    Refused,
    Summary,
    Told,
    line_of,
    said_in,
)

PYTHON: Final = (sys.executable, "-P", "-m")
"""A module of ours, whatever lies in the directory that it is started in."""

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024
_READ_BYTES: Final = 65536


class Sockets(NamedTuple):
    """What clients meet, whichever keeper serves it."""

    gateway: socket.socket
    door: socket.socket
    path: Path
    """of the door"""
    token: str
    """what clients show to the gateway"""

    @property
    def port(self) -> int:
        """The gateway's."""
        return int(cast("tuple[str, int]", self.gateway.getsockname())[1])

    def close(self) -> None:
        """Nothing listens here any more."""
        self.gateway.close()
        self.door.close()


def listening(port: int, folder: Path) -> Sockets:
    """Return sockets that listen: at ``port`` (0: any), and in ``folder``. Raises ``Unlistenable``."""
    gateway = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    gateway.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        gateway.bind((_HOST, port))
        gateway.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        gateway.close()
        raise Unlistenable(f"{_HOST}:{port}: {getattr(error, 'strerror', None) or error}") from error
    path = folder / "s"
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    door.listen(_BACKLOG)
    return Sockets(gateway, door, path, os.urandom(16).hex())


class Kept:
    """A run, kept by one process after another."""

    def __init__(
        self, sockets: Sockets, folder: Path, environment: Mapping[str, str], *, servers: bool
    ) -> None:
        """Start the first keeper, which waits for its order; ``servers``: whether there will be some."""
        self._words: tuple[str, ...] = (*PYTHON, "perdure.wrap.keeper", *(("--servers",) if servers else ()))
        self._sockets: Sockets = sockets
        self._environment: Mapping[str, str] = environment
        self._log: Path = folder / "keeper.log"
        self._order: KeepingOrder | None = None
        self._client: ClientStarted | None = None
        self._lives: deque[float] = deque(maxlen=KEEPER_LIVES_MAX)
        self._rest: bytes = b""
        self._process: subprocess.Popen[bytes] = self._started()
        self.ready: Ready | None = None
        self.summary: Summary | None = None
        self.refused: PerdureError | None = None
        """why nobody keeps the run any more"""
        self.restarts: int = 0

    @property
    def said(self) -> int:
        """The descriptor at which the keeper is heard; -1 once nobody keeps the run."""
        return -1 if self.refused is not None else _stream(self._process.stdout).fileno()

    @property
    def pid(self) -> int:
        """The present keeper's."""
        return self._process.pid

    def keep(self, order: KeepingOrder) -> None:
        """The keeper has its order."""
        self._order = order
        self._tell(order)

    def client_started(self, crew: Crew) -> None:
        """The keeper knows of the client."""
        self._client = ClientStarted(crew=crew)
        self._tell(self._client)

    def hear(self) -> None:
        """Take in what the keeper said; where it ended untold, it is started again."""
        if not self._took(self.said):
            self._ended()

    def end(self, words: str, waits: Callable[[], None] = lambda: None) -> None:
        """The client has ended: the keeper records that, and ends; one that doesn't is killed.

        One that was killed meanwhile is followed by another, once. ``waits`` is called where that takes long.
        """
        for again in (True, False):
            if self.refused is not None:
                break
            self._tell(ClientEnded(words=words))
            is_over = self._read_to_end(waits)
            if self.summary is not None or not (is_over and again):
                break
            self._ended()
        self.close()

    def close(self) -> None:
        """No keeper is left."""
        with suppress(OSError):  # what it never read goes with it
            _stream(self._process.stdin).close()
        try:
            self._process.wait(KEEPER_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _stream(self._process.stdout).close()

    def _read_to_end(self, waits: Callable[[], None]) -> bool:
        """Take in what the keeper still says; return whether it has ended, and not only taken too long."""
        begun, told, said = time.monotonic(), False, self.said
        while (passed := time.monotonic() - begun) < KEEPER_END_SECONDS:
            limit = KEEPER_END_SECONDS if told else KEEPER_QUIET_SECONDS
            ready, _, _ = select.select((said,), (), (), max(0.0, limit - passed))
            if not ready and not told:
                told = True
                waits()
            elif ready and not self._took(said):
                return True
        return False

    def _took(self, said: int) -> bool:
        """Take in what the keeper said; return whether it may say more."""
        piece = os.read(said, _READ_BYTES)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._heard(line)
        return bool(piece)

    def _heard(self, line: bytes) -> None:
        match said_in(line):
            case Ready() as ready:
                self.ready = ready
            case Summary() as summary:
                self.summary = summary
            case Refused() as refused:
                self.refused = refusal_of(refused)

    def _ended(self) -> None:
        """It is started again, unless that is no use."""
        code = self._process.wait()
        if self.refused is not None:
            return
        if self._order is None or self.ready is None or self._died_often():
            self.refused = KeeperFailed(f"the keeper ended with {code}: {self._last_words()}")
            return
        self.close()
        self.restarts += 1
        self._rest = b""
        self._process = self._started()
        self._tell(structs.replace(self._order, began=True))
        if self._client is not None:
            self._tell(self._client)

    def _died_often(self) -> bool:
        now = time.monotonic()
        self._lives.append(now)
        return len(self._lives) == KEEPER_LIVES_MAX and now - self._lives[0] < KEEPER_LIVES_SECONDS

    def _last_words(self) -> str:
        try:
            said = self._log.read_bytes()[-KEEPER_SAID_BYTES_MAX:].decode(errors="replace").strip()
        except OSError:
            return "it said nothing"
        return said or "it said nothing"

    def _started(self) -> subprocess.Popen[bytes]:
        given = (self._sockets.gateway.fileno(), self._sockets.door.fileno())
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                pass_fds=given,
                start_new_session=True,
            )

    def _tell(self, document: Told) -> None:
        """Tell the keeper; one that has ended hears nothing, and its end is heard next."""
        stream = _stream(self._process.stdin)
        with suppress(OSError):
            stream.write(line_of(document))
            stream.flush()


def refusal_of(refused: Refused) -> PerdureError:
    """Return the error that a keeper told of."""
    for each in cast("list[object]", list(vars(errors).values())):
        if isinstance(each, type) and issubclass(each, PerdureError) and each.code == refused.code:
            return each(refused.message, hint=refused.hint)
    return KeeperFailed(refused.message, hint=refused.hint)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise errors.Broken("a keeper was started without its pipes")
    return stream
