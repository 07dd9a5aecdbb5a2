"""A shard whose server takes what it is asked and says nothing holds up what is its own, for a bounded time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from perdure.adapters.memory.roster import MemoryRoster
from perdure.adapters.memory.store import MemoryStore
from perdure.adapters.postgres import store as stores
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.shards.reaching import Shard, Shards
from perdure.adapters.shards.store import ShardedStore
from perdure.assembly.stores.addresses import address_of
from perdure.cli.place import opened
from perdure.driver.books import missing, name_for
from perdure.log.port import Appended, NewRun
from perdure.values.errors import Busy, StoreAway, StoreSilent
from tests.cli.inside import Inside
from tests.cli.terminal import Said
from tests.conformance.stores import Writer, holder, post
from tests.servers.postgres import programs
from tests.servers.proxy import Mood, Proxy
from tests.servers.shared import database_of, server

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL")

QUICK = Setup(statement_seconds=1, spare_seconds=0.2, cancel_seconds=0.2, connect_seconds=2, away_seconds=0.2)
"""A server that says nothing is given up soon."""

SECONDS = 60

T = TypeVar("T")


def insisted(ask: Callable[[], T]) -> T:
    """Ask again where the server is too slow for such a short bound."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            return ask()
        except Busy:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)


class Parted:
    """A store over shards a and b, with a run on each; b is reached through a proxy."""

    def __init__(self, folder: Path, proxy: Proxy) -> None:
        """Make both."""
        self.proxy = proxy
        self.dsns = {name: database_of(folder / name) for name in "ab"}
        self.behind = self.dsns["b"].replace(f":{server().port}/", f":{proxy.port}/")
        self.store = ShardedStore(
            {"a": self._opens(self.dsns["a"], Setup()), "b": self._opens(self.behind, QUICK)}
        )
        self.runs: dict[str, str] = {}
        self.tenants: dict[str, str] = {}
        for tenant in map(str, range(100)):
            run = insisted(lambda tenant=tenant: name_for(self.store, "march", tenant))
            if run[0] not in self.runs:
                self.runs[run[0]], self.tenants[run[0]] = run, tenant
            if len(self.runs) == len(self.dsns):
                break
        for shard, run in self.runs.items():
            new = NewRun(run, run, self.tenants[shard], 1)
            insisted(lambda new=new: self.store.create(new))

    def _opens(self, dsn: str, setup: Setup) -> Callable[[], Shard]:
        def opened() -> Shard:
            store = PostgresStore(dsn, setup=setup)
            return Shard(store, store.roster(), store.close)

        return opened

    def describe(self, folder: Path) -> None:
        """The store's file is there, where b is reached through the proxy."""
        lines = [
            f'[shards.{name}]\npostgres = "{dsn}"'
            for name, dsn in (("a", self.dsns["a"]), ("b", self.behind))
        ]
        (folder / "store.toml").write_text("\n".join(lines))

    def hang(self) -> None:
        """The server of b takes connections from here on, and says nothing."""
        self.proxy.turn(Mood.STALL)


@pytest.fixture
def parted(tmp_path: Path) -> Iterator[Parted]:
    with Proxy(server().port) as proxy:
        made = Parted(tmp_path, proxy)
        try:
            yield made
        finally:
            proxy.turn(Mood.PASS)
            made.store.close()


def all_of(store: ShardedStore) -> set[str]:
    """Return the runs of all shards; raise ``Busy`` where one is away."""
    found = {row.run for row in store.rows()}
    if missing(store):
        raise Busy("a shard is away")
    return found


def refused(ask: Callable[[], object]) -> None:
    with pytest.raises(StoreAway, match="shard b is away"):
        ask()


def test_while_a_shard_hangs_the_others_go_on_and_lists_name_it(parted: Parted):
    store, near, far = parted.store, parted.runs["a"], parted.runs["b"]
    writer = Writer(store, near, store.acquire(near, holder("w1")))
    mark = store.watch(-1, 0)
    parted.hang()
    with ThreadPoolExecutor(1) as pool:
        # Whoever waits for the one that hangs keeps nobody from the other.
        hangs = pool.submit(refused, lambda: store.post(far, post("p1")))
        assert store.append(writer.batch()).result(SECONDS) == Appended(1)
        assert store.post(near, post("p1"))
        assert len(store.read(near)) == 1
        assert store.watch(mark, SECONDS) > mark
        hangs.result(SECONDS)
    assert [row.run for row in store.rows()] == [near]
    assert list(missing(store)) == ["b"]
    parted.proxy.turn(Mood.PASS)
    insisted(lambda: store.post(far, post("p2")))
    assert "p2" in [each.id for each in insisted(lambda: store.inbox(far))]
    assert insisted(lambda: all_of(store)) == {near, far}
    assert not missing(store)


def test_what_hung_is_not_asked_again_for_as_long_as_it_took():
    passed, asked, silent = [0.0], [0], [True]

    def rows(_: Shard) -> str:
        asked[0] += 1
        if silent[0]:
            passed[0] += 40
            raise StoreSilent("no answer within 35 seconds")
        return "rows"

    store = MemoryStore()
    shards = Shards(
        {"a": lambda: Shard(store, MemoryRoster(store), store.close)}, told="a test", now=lambda: passed[0]
    )
    with pytest.raises(StoreAway, match="shard a is away"):
        shards.asked("a", rows)
    silent[0] = False
    passed[0] = 79.0
    with pytest.raises(StoreAway, match="shard a is away: no answer"):
        shards.asked("a", rows)
    assert asked == [1]
    passed[0] = 80.0
    assert shards.asked("a", rows) == "rows"
    assert shards.away() == {}


def test_a_command_says_which_shard_hangs_and_answers_for_the_others(
    parted: Parted, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stores, "Setup", lambda: QUICK)
    parted.describe(tmp_path)
    inside, near = Inside(tmp_path, capfd, monkeypatch), parted.runs["a"]
    Writer(parted.store, near, parted.store.acquire(near, holder("w1"))).append()
    parted.hang()
    listed = insisted(lambda: listing(inside, near))
    assert "shard b" in listed.out + listed.err
    told = inside.type("message", parted.runs["b"], "hello", "--store", "store.toml")
    assert told.code == 4
    assert "shard b is away" in told.err
    with (
        opened(address_of(tmp_path / "store.toml")) as place,
        pytest.raises(StoreAway, match="shard b is away"),
    ):
        place.has(parted.runs["b"])


@pytest.mark.parametrize("words", [("stats", "stats"), ("gc", "collect")], ids=lambda words: words[0])
def test_a_shard_that_hangs_once_it_was_opened_is_named(
    parted: Parted,
    words: tuple[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    command, asked = words
    monkeypatch.setattr(stores, "Setup", lambda: QUICK)
    parted.describe(tmp_path)
    inside = Inside(tmp_path, capfd, monkeypatch)

    def opened() -> Said:
        """Raise ``Busy`` where the server is too slow, too, for such a short bound."""
        parted.proxy.turn(Mood.PASS)
        monkeypatch.setattr(PostgresStore, asked, hanging)
        answers.clear()
        said = inside.type("store", command, "--store", "store.toml")
        monkeypatch.setattr(PostgresStore, asked, real)
        if len(answers) < len(parted.dsns) or "shard a is away" in said.out + said.err:
            raise Busy(said.err)
        return said

    real, answers = getattr(PostgresStore, asked), list[object]()

    def hanging(store: PostgresStore, **more: object) -> object:
        # Both are open by now.
        parted.hang()
        answers.append(store)
        return real(store, **more)

    said = insisted(opened)
    assert "shard b is away" in said.out + said.err
    assert said.code == (0 if command == "stats" else 4)


def listing(inside: Inside, near: str) -> Said:
    """List runs; raise ``Busy`` where the server of the other shard is too slow, too."""
    listed = inside.type("ls", "--store", "store.toml")
    if near not in listed.out:
        raise Busy(listed.err)
    return listed
