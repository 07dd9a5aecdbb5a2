"""The harness that runs real clients with hooks finds a client that doesn't heed them."""

import asyncio
from pathlib import Path

from perdure.values.digest import Json
from tests.clients.hooked import contract_of, recorded_wrong, told_wrong
from tests.hooks.kit import failed, hears, post, pre, wrapped
from tests.sessions.ground import played

COMMANDS = ("cat ledger-1.txt", "echo one", "cat ledger-2.txt", "echo two", "cat missing.txt", "echo three")


def lived(place: Path, *, tells: bool = True) -> list[str]:
    """Return what the harness finds in the log of a client, one that tells how its calls ended or one that doesn't."""

    async def story() -> None:
        async with wrapped(place, contract=contract_of("claude-code")) as session:
            for number, command in enumerate(COMMANDS):
                call, arguments = f"c{number}", {"command": command}
                spelled: dict[str, Json] = {**arguments}
                refused = (await hears(session, pre("Bash", spelled, call)))["exit"] == 2
                if refused or not tells:
                    continue
                told = (
                    failed("Bash", spelled, "no", call)
                    if "missing" in command
                    else post("Bash", spelled, "ok", call)
                )
                await hears(session, told)

    played(story())
    return recorded_wrong(place / "store", "claude-code")


def test_a_client_that_heeds_hooks_passes(tmp_path: Path):
    assert lived(tmp_path) == []


def test_clients_that_do_not_are_found(tmp_path: Path):
    silent = lived(tmp_path / "silent", tells=False)
    assert any("0 ends are told" in each for each in silent)
    assert told_wrong("the model was told of something else")


def test_a_client_for_whom_nothing_was_refused_is_found(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            for number, command in enumerate(COMMANDS):
                await hears(session, pre("Bash", {"command": command}, f"c{number}"))
                await hears(session, post("Bash", {"command": command}, "ok", f"c{number}"))

    asyncio.run(story())
    assert "nothing was refused" in recorded_wrong(tmp_path / "store", "claude-code")
