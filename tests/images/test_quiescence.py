"""An image is taken again only where the services have moved since: never too rarely."""

import asyncio
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images import freezing
from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.images.launcher import ImageLauncher
from tests.images import programs
from tests.images.kit import Place, place, said, until

IMAGES_MAX = 20


async def until_it_stands(here: Place, name: str) -> None:
    """An image is taken after which nothing moves: on a busy machine a program may go on late, and move once more."""
    for turn in range(IMAGES_MAX):
        await here.freeze(f"{name}-{turn}")
        if here.launcher.quiescent():
            return
    raise AssertionError("a move follows each image")


def test_a_service_that_waits_needs_no_new_image(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("idle", programs.IDLE)
            await here.start("asleep", "exec sleep 1000")
            assert not here.launcher.quiescent(), "there is no image yet"
            await until_it_stands(here, "image")
            for _ in range(20):
                assert here.launcher.quiescent()
                await asyncio.sleep(0.05)

    asyncio.run(story())


def test_a_service_that_computes_needs_one(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("busy", programs.BUSY)
            for turn in range(3):
                await here.freeze(f"image-{turn}")
                assert not here.launcher.quiescent()

    asyncio.run(story())


def test_one_question_is_enough_to_need_one(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("idle", programs.IDLE)
            await until_it_stands(here, "image")
            assert await here.ask(8010) == "here"
            assert not here.launcher.quiescent()
            await until_it_stands(here, "next")

    asyncio.run(story())


def test_a_service_more_or_less_needs_one(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.start("first", "exec sleep 1000")
            await here.freeze("image")
            second = await here.start("second", "exec sleep 1000")
            assert not here.launcher.quiescent()
            await until_it_stands(here, "with both")
            second.kill()
            await second.ended()
            assert not here.launcher.quiescent()
            assert here.launcher.living() == ("first",)

    asyncio.run(story())


def test_after_a_thaw_a_new_image_is_due(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("idle", programs.IDLE)
            await here.freeze("image")
            await here.crash()
            assert not here.launcher.quiescent()
            await here.restore("image")
            assert not here.launcher.quiescent()

    asyncio.run(story())


async def _trace_is_kept(here: Place) -> None:
    """Ask in some turns, take an image where one is due, crash after each, and find nothing missing."""
    await here.python("counter", programs.COUNTER)
    last, expected = "", 0
    for turn, asked in enumerate((True, False, True, False, False, True)):
        if asked:
            expected += 1
            assert await here.ask(8001) == str(expected)
        if not last or not here.launcher.quiescent():
            last = f"image-{turn}"
            await here.freeze(last)
        if turn in (2, 5):
            await here.crash()
            await here.restore(last)
            assert await here.ask(8001, "how many") == str(expected), "what was counted is lost"


def test_a_trace_with_skipped_images_loses_nothing(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await _trace_is_kept(here)

    asyncio.run(story())


def test_the_trace_catches_a_gate_that_skips_while_services_move(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageLauncher, "quiescent", lambda self: True)

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await _trace_is_kept(here)

    with pytest.raises(AssertionError, match="is lost"):
        asyncio.run(story())


async def _ticks_are_kept(here: Place, pause: float) -> int:
    """Take images of a loop that ticks, and return how often a new one was not due right afterwards."""
    await here.start("loop", f"n=0; while :; do n=$((n+1)); echo $n >>ticks; sleep {pause}; done")
    ticks, skipped = here.root / "ticks", 0
    await until(ticks.exists)
    for turn in range(25):
        await here.freeze(f"image-{turn}")
        now = ticks.read_text()
        if here.launcher.quiescent():
            skipped += 1
            assert now == (here.base / f"image-{turn}.files" / "ticks").read_text(), "a tick was overlooked"
    return skipped


def test_no_tick_that_falls_behind_its_image_is_overlooked(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            # A pause that ends while all stand still: the tick follows at once when they go on.
            await _ticks_are_kept(here, 0.03)

    asyncio.run(story())


def test_a_slow_clock_needs_no_image_between_its_ticks(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            assert await _ticks_are_kept(here, 1) > 5

    asyncio.run(story())


def test_the_ticks_catch_a_gate_that_trusts_the_first_look(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "writings", lambda first: frozenset({first}))

    async def story(folder: Path) -> None:
        async with place(folder, criu) as here:
            await _ticks_are_kept(here, 0.03)

    def caught(nth: int) -> bool:
        folder = tmp_path / str(nth)
        folder.mkdir()
        try:
            asyncio.run(story(folder))
        except AssertionError as failed:
            return "overlooked" in str(failed)
        return False

    # A tick has to fall into the moment behind an image: one round of images may miss it.
    assert any(caught(nth) for nth in range(12))


def test_what_a_service_says_is_a_move(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            service = await here.start(
                "waiting", "while ! [ -e go ]; do sleep 0.01; done; echo gone; exec sleep 1000"
            )
            await here.freeze("image")
            (here.root / "go").touch()
            await until(lambda: said(service) == "gone\n")
            assert not here.launcher.quiescent()

    asyncio.run(story())
