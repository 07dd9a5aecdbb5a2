"""What our MCP server doesn't show, and doesn't let an agent do."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from perdure.assembly.store import open_store
from perdure.log import events as e
from perdure.mcp.own.view import View
from perdure.values.errors import BadInput, UnboundView
from tests.hooks.kit import wrapped
from tests.mcp_own.kit import CREDENTIAL, HANDLE, PAGE, asked, lived, looking, refused
from tests.sessions.ground import played

TOKEN = "ghp_0123456789abcdefghij"
BOTH = frozenset({"checkpoint", "note"})


def test_bound_to_a_run_nothing_of_another_is_shown(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path / "a")
        async with wrapped(tmp_path / "a", run="two"):
            pass
        async with looking(tmp_path / "a" / "store", run="two") as client:
            assert "two" in json.dumps(await asked(client, "status"))
            for tool, given in (
                ("status", {}),
                ("log", {}),
                ("event", {"position": 1}),
                ("receipts", {}),
                ("files", {}),
                ("file", {"path": "notes.txt"}),
                ("diff", {"before": 1}),
                ("recall", {"page": HANDLE}),
                ("cost", {}),
                ("rewind_dry_run", {"to": 1}),
            ):
                assert "shows the run 'two' alone" in await refused(client, tool, run="one", **given), tool
            # Neither does a handle, nor a search, lead across.
            assert "No page" in await refused(client, "recall", page=HANDLE)
            assert HANDLE not in str(await asked(client, "recall"))
            with pytest.raises(MCPError):
                await client.read_resource(f"perdure://page/{HANDLE}")

    played(story())


def test_bound_to_none_conversations_are_listed_and_not_shown(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store", run="", every_run=True) as client:
            (row,) = (await asked(client, "runs"))["runs"]
            assert row["run"] == "one"
            assert (await asked(client, "cost", run="one"))["run"] == "one"
            for tool, given in (
                ("log", {}),
                ("event", {"position": 1}),
                ("receipts", {}),
                ("files", {}),
                ("file", {"path": "notes.txt"}),
                ("diff", {"before": 1}),
                ("recall", {"page": HANDLE}),
                ("rewind_dry_run", {"to": 1}),
            ):
                assert "bound to no run" in await refused(client, tool, run="one", **given), tool
            assert "no run is named" in await refused(client, "status")
            assert (await client.list_resources()).resources == []

    played(story())


def test_credentials_and_secrets_are_never_shown(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store", allow=BOTH, GITHUB_TOKEN=TOKEN) as client:
            await asked(client, "note", text=f"the token is {TOKEN}")
            end = (await asked(client, "status"))["position"]
            shown = [json.dumps(await asked(client, "log", after=0, limit=200))]
            shown += [json.dumps(await asked(client, "event", position=at)) for at in range(1, end + 1)]
            shown.append(json.dumps(await asked(client, "files")))
            shown.append(await refused(client, "file", path=".env"))
            assert "declared secret" in shown[-1]
            for secret in (CREDENTIAL, TOKEN, "4711-0815", "s-1"):
                assert not any(secret in each for each in shown), secret

    played(story())


def test_what_changes_a_run_is_denied_unless_it_was_allowed(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            end = (await asked(client, "status"))["position"]
            assert "--allow note" in await refused(client, "note", text="x")
            assert "--allow checkpoint" in await refused(client, "checkpoint")
            assert (await asked(client, "status"))["position"] == end
        async with looking(tmp_path / "store", allow=frozenset({"note"})) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert "note" in names
            assert "checkpoint" not in names
            assert "--allow checkpoint" in await refused(client, "checkpoint")

    played(story())


def test_a_note_and_a_mark_stand_in_the_run_of_which_nobody_drives(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store", allow=BOTH) as client:
            left = await asked(client, "note", text="the second ledger is wrong")
            event = await asked(client, "event", position=left["position"])
            assert (event["kind"], event["body"]["by"]) == ("note.made", "agent")
            mark = await asked(client, "checkpoint", why="before the refactoring")
            assert mark["files"]["exact"] is True
            assert "without words" in await refused(client, "note", text=" ")
            assert "bytes" in await refused(client, "note", text="x" * 100_000)
        with open_store(tmp_path / "store") as store:
            state = store.state("one")
            assert state.world.pins == (mark["position"],)
            assert state.status == "running"
            assert store.verify("one").ok

    played(story())


def test_a_note_goes_through_whoever_drives_the_run(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            await session.recorded(30)
            async with looking(tmp_path / "store", allow=BOTH) as client:
                left = await asked(client, "note", text="seen from outside")
                assert left["recorded"] is True
                await asked(client, "checkpoint")
            bodies = [event.body for event in session.store.events("one")]
            assert any(isinstance(each, e.NoteMade) for each in bodies)
            assert any(isinstance(each, e.CheckpointPinned) for each in bodies)
            # One writer: nobody else took the run meanwhile.
            assert sum(isinstance(each, e.LeaseAcquired) for each in bodies) == 1

    played(story())


def test_a_server_that_is_told_of_no_run_shows_none(tmp_path: Path):
    with open_store(tmp_path / "store") as store:
        with pytest.raises(UnboundView):
            View(store)
        with pytest.raises(BadInput):
            View(store, run="one", every_run=True)
        with pytest.raises(BadInput):
            View(store, run="one", allow=frozenset({"rewind"}))


def started(store: Path, run: str) -> "subprocess.CompletedProcess[str]":
    """Start our server with nothing to read, and return how that ended."""
    words = [sys.executable, "-m", "perdure.cli", "mcp-server", "--run", run, "--store", str(store)]
    return subprocess.run(words, input="", capture_output=True, text=True, timeout=60, check=False)


def test_the_process_speaks_the_protocol_on_its_standard_streams_and_nothing_else(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        words = ["-m", "perdure.cli", "mcp-server", "--run", "one", "--store", str(tmp_path / "store")]
        server = StdioServerParameters(command=sys.executable, args=[*words, "--allow", "note"])
        async with Client(stdio_client(server)) as client:
            assert (await asked(client, "status"))["run"] == "one"
            assert (await asked(client, "note", text="by a process"))["recorded"] is True
            page = str(await asked(client, "recall", page=HANDLE, line=4000))
            assert PAGE.splitlines()[-1] in page
        # Its end of input is its end.
        ended = await asyncio.to_thread(started, tmp_path / "store", "one")
        assert (ended.returncode, ended.stdout) == (0, "")
        lost = await asyncio.to_thread(started, tmp_path / "store", "nobody")
        assert lost.returncode == 2
        assert lost.stdout == ""
        assert "there is no run 'nobody'" in lost.stderr

    played(story())


def test_views_that_leak_are_caught_by_what_these_tests_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the binding or the blotting out of the way, each secret shows where the tests above look for it."""
    monkeypatch.setattr(View, "run_of", lambda self, named: named or self.bound)
    monkeypatch.setattr(View, "hushed", lambda self, value: value)
    monkeypatch.setattr("perdure.mcp.own.looking.UNSHOWN", frozenset())

    async def story() -> None:
        await lived(tmp_path)
        async with wrapped(tmp_path, run="two"):
            pass
        async with looking(tmp_path / "store", run="two", allow=BOTH, GITHUB_TOKEN=TOKEN) as client:
            assert (await asked(client, "status", run="one"))["run"] == "one"
            assert HANDLE in str(await asked(client, "recall", run="one"))
            await asked(client, "note", run="one", text=f"the token is {TOKEN}")
            shown = json.dumps(await asked(client, "log", run="one", after=0, limit=200))
            assert CREDENTIAL in shown
            assert TOKEN in shown

    played(story())
