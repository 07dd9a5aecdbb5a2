"""A tenant has one home, whatever lists of shards are in use at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.adapters.memory.roster import MemoryRoster
from perdure.adapters.memory.store import MemoryStore
from perdure.adapters.shards.placing import home_of
from perdure.adapters.shards.reaching import Shard
from perdure.adapters.shards.store import ShardedStore
from perdure.driver.books import missing, name_for, shards, within
from perdure.log.port import NewRun
from perdure.values.errors import BlobMissing, StoreAway, WrongShards
from tests.conformance.stores import memory_shards
from tests.shards.broken import Forgetful
from tests.shards.model import Maker, World

OLD, NEW = ("a", "b"), ("a", "b", "c")
MOVES = next(f"t{number}" for number in range(100) if home_of(f"tenant:t{number}", NEW) == "c")
"""A tenant that the old list and the new one would place differently."""

schedules = st.lists(
    st.tuples(st.integers(0, 3), st.booleans().filter(lambda dies: not dies) | st.booleans()), max_size=60
)


@settings(max_examples=150, deadline=None, database=None)
@given(schedules)
def test_makers_with_different_lists_never_give_a_tenant_two_homes(schedule: list[tuple[int, bool]]):
    world = World(NEW)
    makers = [Maker(world, names, MOVES) for names in (OLD, NEW, OLD, NEW)]
    world.played(makers, schedule)
    assert len(world.homes(MOVES)) <= 1
    last = Maker(world, NEW, MOVES)
    world.played([last], ())
    assert last.end == "made"
    assert len(world.homes(MOVES)) == 1


def test_a_build_that_does_not_compare_lists_is_caught():
    caught = 0
    for steps in range(40):
        world = World(NEW, Forgetful)
        old, new = Maker(world, OLD, MOVES), Maker(world, NEW, MOVES)
        world.played([old, new], [(0, False)] * steps + [(1, False)] * 60)
        caught += len(world.homes(MOVES)) > 1
    assert caught


def test_the_same_schedules_find_nothing_in_the_real_build():
    for steps in range(40):
        world = World(NEW)
        old, new = Maker(world, OLD, MOVES), Maker(world, NEW, MOVES)
        world.played([old, new], [(0, False)] * steps + [(1, False)] * 60)
        assert len(world.homes(MOVES)) <= 1


def test_a_process_with_an_older_list_is_refused_and_told_what_to_do():
    world = World(NEW)
    world.played([Maker(world, NEW, "x")], ())
    with pytest.raises(WrongShards, match="lacks shard c") as refused:
        _opened(world, OLD)
    assert "newest file" in refused.value.hint


def test_a_file_that_exchanges_two_shards_is_refused():
    world = World(OLD)
    _opened(world, OLD)
    swapped = dict(world.shards)
    swapped["a"], swapped["b"] = swapped["b"], swapped["a"]
    world.shards = swapped
    with pytest.raises(WrongShards, match="calls the database of shard b shard a"):
        _opened(world, OLD)


def test_a_new_shard_moves_nobody_and_takes_new_tenants():
    world = World(NEW)
    old = _opened(world, OLD)
    before = {tenant: name_for(old, "march", tenant) for tenant in map("t{}".format, range(40))}
    grown = _opened(world, NEW)
    assert {tenant: name_for(grown, "march", tenant) for tenant in before} == before
    later = {name_for(grown, "march", f"later{number}")[0] for number in range(40)}
    assert later == {"a", "b", "c"}


def test_a_name_says_its_shard_and_a_wrong_one_is_refused():
    store = memory_shards()
    name = name_for(store, "march", "acme")
    shard, _, rest = name.partition(".")
    assert (rest, name_for(store, name, "acme")) == ("march", name)
    other = next(each for each in "abc" if each != shard)
    with pytest.raises(WrongShards, match=f"tenant acme lives on shard {shard}"):
        store.create(NewRun(f"{other}.march", "x", "acme", 1))


def test_a_run_whose_name_says_no_shard_is_unique_in_the_whole_store():
    store = memory_shards()
    assert store.create(NewRun("march", "march", "acme", 1))
    others = [f"t{number}" for number in range(10)]
    assert not any(store.create(NewRun("march", "march", tenant, 1)) for tenant in others)
    assert [row.tenant for row in store.rows()] == ["acme"]


def test_forks_live_beside_what_they_come_from():
    store = memory_shards()
    for number in range(12):
        run = name_for(store, f"r{number}", f"t{number}")
        assert store.create(NewRun(run, run, f"t{number}", 1))
        assert within(store, run).rows(run)
        with pytest.raises(WrongShards):
            store.create(NewRun(f"{'abc'.replace(run[0], '')[0]}.fork", run, f"t{number}", 1, run, 0))


def test_while_one_shard_is_away_the_runs_of_the_others_go_on_and_lists_say_which_is_missing():
    down: set[str] = set()
    stores = {name: MemoryStore() for name in NEW}
    rosters = {name: MemoryRoster(store) for name, store in stores.items()}

    def opens(name: str) -> Shard:
        if name in down:
            raise StoreAway("connection refused")
        return Shard(stores[name], rosters[name], lambda: None)

    def opened() -> ShardedStore:
        return ShardedStore({name: (lambda name=name: opens(name)) for name in NEW})

    first = opened()
    runs = [name_for(first, "march", f"t{number}") for number in range(12)]
    for number, run in enumerate(runs):
        first.create(NewRun(run, run, f"t{number}", 1))
    down.add("b")
    store = opened()
    assert {row.run for row in store.rows()} == {run for run in runs if not run.startswith("b.")}
    assert list(missing(store)) == ["b"]
    assert set(shards(store)) == {"a", "c"}
    for run in runs:
        if run.startswith("b."):
            with pytest.raises(StoreAway, match="shard b is away"):
                store.read(run)
        else:
            assert store.read(run) == []
    with pytest.raises(StoreAway):
        name_for(store, "march", "somebody-new")
    with pytest.raises(StoreAway):
        store.claims(scope="acme")
    with pytest.raises((StoreAway, BlobMissing)):
        store.get("0" * 64)


def _opened(world: World, names: tuple[str, ...]) -> ShardedStore:
    def opens(name: str) -> Shard:
        books, roster = world.shards[name]
        return Shard(books, roster, lambda: None)

    return ShardedStore({name: (lambda name=name: opens(name)) for name in names}, told="stores.toml")
