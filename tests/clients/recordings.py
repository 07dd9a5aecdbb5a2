"""Recordings of real clients' runs through the gateway: how they are stored, and a provider that plays its part again."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.narrator import Narrator
from perdure.testing.upstream.plots import PLOTS
from perdure.testing.upstream.provider import PATHS, Delivery, Provider, Recorded
from perdure.testing.upstream.rejection import Rejection, shaped
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tap import Passed
from tests.clients.scrubbing import THROW_AWAY, scrubbed

FOLDER = Path(__file__).parent / "recordings"
LEVEL = 19
WINDOW_LOG = 25
HEADERS_LEFT_OUT = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})


class Recording(msgspec.Struct, frozen=True):
    """One run of a client behind a gateway, seen from both sides."""

    client: str
    version: str
    api: str
    seed: str
    plot: str
    mode: str
    room: int
    passed: tuple[Passed, ...]
    """what the client sent, and got"""
    recorded: tuple[Recorded, ...]
    """what the provider got, and said"""


def stored(recording: Recording, folder: Path = FOLDER) -> Path:
    """Write a recording, without other people's words and this machine's paths; return where."""
    clean = msgspec.structs.replace(
        recording,
        passed=tuple(
            msgspec.structs.replace(each, body=scrubbed(each.body), headers=_headers(each.headers))
            for each in recording.passed
        ),
        recorded=tuple(
            msgspec.structs.replace(each, body=scrubbed(each.body), headers=()) for each in recording.recorded
        ),
    )
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=WINDOW_LOG, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(msgspec.msgpack.encode(clean))
    folder.mkdir(exist_ok=True)
    name = "".join(sign if sign.isalnum() else "-" for sign in recording.client).strip("-").replace("--", "-")
    path = folder / f"{name}.msgpack.zst"
    path.write_bytes(packed)
    return path


def loaded(path: Path) -> Recording:
    """Read a recording."""
    raw = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG).decompress(path.read_bytes())
    return msgspec.msgpack.decode(raw, type=Recording)


def all_recordings() -> Iterator[Path]:
    """Yield where recordings stand."""
    return iter(sorted(FOLDER.glob("*.msgpack.zst")))


def _headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, THROW_AWAY.sub(b"/perdure-clients-recorded", value.encode()).decode())
        for name, value in headers
        if name.lower() not in HEADERS_LEFT_OUT
    )


class Replay:
    """The provider of a recording: as strict as it was, saying what it said.

    Behind an observing gateway it gives what the client got; behind a paging one, what the provider gave.
    """

    def __init__(self, recording: Recording, *, observed: bool) -> None:
        ledgers, signet = Ledgers(recording.seed), Signet(recording.seed)
        self.provider = Provider(Narrator(PLOTS[recording.plot], ledgers, signet), signet)
        self.recorded: list[Recorded] = []
        self._lines: list[tuple[str, bytes, str, int, bytes]] = []
        """what is still to be said: to which path, body and purpose"""
        if observed:
            self._lines = [(_bare(p.path), p.body, "", p.status, p.answer) for p in recording.passed]
        else:
            self._lines = [(r.path, r.body, r.purpose, r.status, r.answer) for r in recording.recorded]

    def ask(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        """Check the request as the provider does, and say what comes next."""
        try:
            purpose = self.provider.look(path, body) if path in PATHS else ""
        except Rejection as refusal:
            self._keep(path, headers, body, at, error=refusal.message)
            return Delivery(400, {}, msgspec.json.encode(shaped(PATHS[path], refusal, "req_1")))
        self._keep(path, headers, body, at, purpose=purpose)
        line = next((each for each in self._lines if each[:2] == (path, body)), None)
        line = line or next((each for each in self._lines if each[0] == path and each[2] == purpose), None)
        if line is None:
            return Delivery(500, {}, b'{"error": {"message": "the recording has ended"}}')
        self._lines.remove(line)
        events = tuple(piece + b"\n\n" for piece in line[4].split(b"\n\n") if piece)
        streamed = line[4].startswith((b"event:", b"data:"))
        return Delivery(line[3], {}, line[4], events if streamed else ())

    def _keep(
        self,
        path: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        at: float,
        purpose: str = "",
        error: str = "",
    ) -> None:
        number = len(self.recorded) + 1
        self.recorded.append(
            Recorded(number, path, headers, body, 200, at, PATHS.get(path), purpose, error=error)
        )


def _bare(path: str) -> str:
    return path.partition("?")[0].removeprefix("/v1")
