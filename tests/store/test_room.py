"""How much room a store takes: bytes per turn, no growth with their number, a write-ahead log with a bound."""

import hashlib
import random
import threading
from pathlib import Path

from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.envelope import Event, Stored, seal
from perdure.log.port import Batch, ClaimClosed, ClaimOpened, Lease
from perdure.values.digest import name_of
from tests.conformance.stores import SECONDS, Writer, blob, opened_run

TEXT = 2048
WORDS = [hashlib.sha1(b"%d" % number).hexdigest()[: 3 + number % 6] for number in range(3000)]


def words(chance: random.Random, size: int) -> bytes:
    text = " ".join(chance.choice(WORDS) for _ in range(size // 3))
    return text[:size].encode()


def content(text: bytes) -> tuple[e.Content, list[tuple[str, bytes]]]:
    if len(text) <= 512:
        return e.Content(len(text), text.decode()), []
    name, _ = blob(text)
    return e.Content(len(text), None, name), [(name, text)]


def turn(writer: Writer, number: int, chance: random.Random) -> None:
    """Append the six events of one turn with one effect, as a driver does: in two commits."""
    key, stem = name_of("march", "pay", number), name_of("stem", number)
    arguments = hashlib.sha256(b"%d" % number).hexdigest()
    call = f"call_{number:016x}"
    reply, first = content(words(chance, TEXT * 3 // 4))
    result, second = content(words(chance, TEXT // 4))
    promised = sealed(
        writer,
        e.ModelReplied(number, reply, e.Usage(1000, 100, 900, 0, 1234)),
        e.IntentionProposed(call, "pay_invoice", 0, arguments, {"invoice": f"INV-{number}", "cents": 12345}),
        e.IntentionAccepted(call, key),
        e.EffectStarted(key, call, "pay_invoice", "probeable", stem, 1, 1, arguments),
    )
    claim = ClaimOpened(key, stem, "march", "pay_invoice", 1, promised[-1].position, arguments)
    writer.append(Batch("march", writer.position, 1, promised, first, opened=[claim], status="running"))
    settled = sealed(
        writer, e.EffectSettled(key, "succeeded", result), e.ModelRequested(number + 1, 1, 2 * number)
    )
    closed = ClaimClosed(key, "succeeded", result)
    writer.append(Batch("march", writer.position, 1, settled, second, closed=[closed], status="running"))


def sealed(writer: Writer, *bodies: e.Body) -> list[Stored]:
    found: list[Stored] = []
    head = writer.head
    for position, body in enumerate(bodies, writer.position + 1):
        at = 1_764_000_000_000_000_000 + position
        found.append(seal(Event("march", position, at, 1, writer.position, body), head))
        head = found[-1].digest
    return found


def size_of(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and "-wal" not in path.name)


def test_a_turn_costs_its_text_and_two_kilobytes_and_no_more_later_on(place: Path):
    chance = random.Random(5)
    sizes: dict[int, int] = {}
    done = 0
    for stop in (100, 200, 300):
        with SqliteStore(place) as store:
            if not store.rows():
                writer = opened_run(store)
            else:
                (row,) = store.rows("march")
                writer = Writer(store, "march", Lease(1), row.position, row.head)
            while done < stop:
                done += 1
                turn(writer, done, chance)
        sizes[stop] = size_of(place)
    later = [(sizes[200] - sizes[100]) / 100, (sizes[300] - sizes[200]) / 100]
    assert sizes[200] / 200 <= TEXT + 2048
    assert max(later) <= TEXT + 2048
    assert later[1] <= later[0] * 1.05


def test_the_write_ahead_log_stays_within_its_bound_while_others_read(place: Path):
    with SqliteStore(place, setup=Setup(wal_bytes=256 * 1024)) as store:
        writer = opened_run(store)
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                store.read("march", 0, 1000)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        most = 0
        for number in range(150):
            writer.append(
                writer.batch(2, text="x" * 900, blobs=[blob(random.Random(number).randbytes(20_000))])
            )
            most = max(most, store.stats().wal_bytes if number % 10 == 0 else 0)
        stop.set()
        for reader in readers:
            reader.join(SECONDS)
        assert 256 * 1024 < most < 4 * 1024 * 1024


def test_the_same_blob_takes_room_once(place: Path):
    name, content_ = blob(random.Random(1).randbytes(200_000))
    with SqliteStore(place) as store:
        writers = [opened_run(store, f"run-{number}") for number in range(10)]
        for writer in writers:
            writer.append(writer.batch(blobs=[(name, content_)]))
        assert store.stats().blobs == 1
        assert store.stats().bytes_by_part["blobs"] < 260_000


def test_text_is_compressed_and_noise_is_not_made_larger(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[blob(b"To perdure is to last. " * 5000)]))
        assert store.stats().bytes_by_part["blobs"] < 20_000
        writer.append(writer.batch(blobs=[blob(random.Random(1).randbytes(900_000))]))
        assert store.stats().bytes_by_part["blobs"] < 960_000


def test_snapshots_share_their_chunks_and_can_be_forgotten(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        chunks = [
            (hashlib.sha256(b"%d" % number).hexdigest(), words(random.Random(number), 4000))
            for number in range(50)
        ]
        for position in range(1, 101):
            writer.append()
            store.save("march", position, b"manifest", chunks)
        writer.append()
        stats = store.stats()
        assert stats.snapshots == 100
        assert stats.bytes_by_part["snapshots"] < 250_000
        store.forget_snapshots()
        assert store.stats().snapshots == 0
        assert store.latest("march", 100) is None
        assert len(store.read("march")) == 101
