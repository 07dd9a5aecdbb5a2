"""A database that was put back to an earlier moment, before an object store that went on after it."""

from pathlib import Path

import pytest

from perdure.values.errors import BlobMissing, Suspended
from tests.objects.parts import asked, keep, large, names_in, opened
from tests.objects.test_collecting import Place

OF_ANOTHER_TIME = "UPDATE seal SET timeline = timeline - 1, stamp = pg_current_xact_id()"
"""As a server shows itself that was put back: nobody has written anything down."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def collected_where_nobody_has_answered(place: Place) -> None:
    with place.store() as store:
        store.put(*large(1))
        asked(place.dsn, OF_ANOTHER_TIME)
        with pytest.raises(Suspended, match=r"isn't collected here: .*timeline"):
            store.collect(grace_seconds=0)
    assert names_in(place.objects) == [large(1)[0]]


def test_a_server_that_was_put_back_collects_nothing_before_a_person_says_that_it_counts(place: Place):
    collected_where_nobody_has_answered(place)


def test_a_collector_that_asks_the_store_s_own_row_alone_is_caught(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.postgres.content.collecting.ground", lambda *_: 0)
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        collected_where_nobody_has_answered(place)


def put_again_where_the_object_is_gone(place: Place, *, spilled: bool) -> None:
    """A database that was put back to a moment at which a blob was condemned; its object was taken away after that."""
    name, content = large(1)
    with place.store() as store:
        store.put(name, content)
        place.collected(grace=3600)
        place.objects.delete([found for found, _ in place.objects.names("")])
    with opened(place.dsn, None if spilled else place.settings) as store:
        store.put(name, content)
        assert store.has(name)
        assert store.get(name) == content
        keep(store, name)
    place.collected()
    with place.store() as store:
        assert store.get(name) == content
    assert asked(place.dsn, "SELECT 1 FROM puts") == []


@pytest.mark.parametrize("spilled", [False, True], ids=["outside", "here"])
def test_nobody_leans_on_a_condemned_object_that_may_be_gone(place: Place, *, spilled: bool):
    put_again_where_the_object_is_gone(place, spilled=spilled)


def test_what_was_put_anew_leaves_the_old_object_to_backups_for_a_while(place: Place):
    name, content = large(1)
    with place.store() as store:
        store.put(name, content)
        place.collected(grace=3600)
        store.put(name, content)
        keep(store, name)
        place.collected(grace=3600)
        assert names_in(place.objects) == [name, name]
        place.collected()
        assert names_in(place.objects) == [name]
        assert store.get(name) == content


def test_a_build_that_pardons_condemned_objects_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch):
    lenient = "UPDATE blobs SET condemned = NULL WHERE digest = %s RETURNING content"
    monkeypatch.setattr("perdure.adapters.postgres.content.large._PARDON", lenient)
    with pytest.raises(BlobMissing):
        put_again_where_the_object_is_gone(place, spilled=False)
