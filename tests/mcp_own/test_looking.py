"""What an agent sees of its own run through our MCP server."""

import json
from pathlib import Path

from tests.mcp_own.kit import HANDLE, PAGE, asked, lived, looking, refused
from tests.sessions.ground import played


def test_an_agent_looks_at_its_own_history(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            tools = await client.list_tools()
            names = [tool.name for tool in tools.tools]
            assert names == [
                "status", "log", "event", "receipts", "files", "file", "diff", "recall", "cost", "rewind_dry_run"
            ]  # fmt: skip
            assert all(
                tool.annotations is not None and tool.annotations.read_only_hint for tool in tools.tools
            )
            assert all("run" not in tool.input_schema["properties"] for tool in tools.tools)

            status = await asked(client, "status")
            assert (status["run"], status["agent"], status["pages"]) == ("one", "wrap:claude-code", 1)

            log = await asked(client, "log", kinds=["effect.*"])
            assert [event["kind"] for event in log["events"]] == ["effect.started", "effect.settled"]
            started = log["events"][0]["position"]
            event = await asked(client, "event", position=started)
            assert event["body"]["tool"] == "bank__pay"
            assert event["because_of"][0]["kind"] == "call.received"

            (receipt,) = (await asked(client, "receipts"))["receipts"]
            assert (receipt["tool"], receipt["outcome"], receipt["class"]) == (
                "bank__pay",
                "succeeded",
                "once",
            )
            assert "receipt" in receipt["result"]
            assert (await asked(client, "receipts", outcome="open"))["receipts"] == []

            answered = await asked(client, "log", kinds=["call.received"])
            assert answered["events"][0]["arguments"] == '{"invoice":"INV-1","reference":"r1"}'
            # A line of the log is a line: whoever wants it all asks for the event.
            assert all(
                len(json.dumps(event)) < 1500 for event in (await asked(client, "log", limit=200))["events"]
            )

            cost = await asked(client, "cost")
            assert [row["number"] for row in cost["requests"]] == [1, 2]

    played(story())


def test_events_are_read_on_in_both_directions_and_found_by_what_they_hold(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            newest = await asked(client, "log", limit=3)
            end = newest["end"]
            assert [event["position"] for event in newest["events"]] == [end - 2, end - 1, end]
            older = await asked(client, "log", limit=200, **newest["go_on"])
            assert older["events"][-1]["position"] == end - 3
            assert older["events"][0]["position"] == 1
            first = await asked(client, "log", after=0, limit=2)
            assert [event["position"] for event in first["events"]] == [1, 2]
            assert first["go_on"] == {"after": 2}
            found = await asked(client, "log", find="inv-1")
            assert {event["kind"] for event in found["events"]} >= {"intention.proposed", "effect.started"}

    played(story())


def test_files_are_shown_as_they_were_and_what_became_of_them(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            taken = [
                event["position"]
                for event in (await asked(client, "log", kinds=["checkpoint.taken"]))["events"]
            ]
            first = taken[1]
            assert (await asked(client, "file", path="notes.txt", position=first))["text"] == "one\ntwo\n"
            whole = str(tmp_path / "workspace" / "notes.txt")
            assert (await asked(client, "file", path=whole))["text"] == "one\n2\nthree\n"
            listed = await asked(client, "files", position=first)
            assert [each["path"] for each in listed["files"]] == [".env", "notes.txt"]
            assert listed["files"][0]["kind"] == "secret"
            diff = await asked(client, "diff", before=first)
            assert diff["changed"] == [{"path": "notes.txt", "change": "changed"}]
            assert "-two\n+2\n+three" in diff["patch"]
            assert (await asked(client, "diff", before=first, path="elsewhere"))["changed"] == []
            assert "no such file" in await refused(client, "file", path="nowhere.txt")

    played(story())


def test_a_page_comes_back_byte_for_byte_by_its_handle_and_by_search(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            got, after = "", 0
            while after < len(PAGE):
                text = str(await asked(client, "recall", page=HANDLE, after=after))
                head, _, piece = text.partition("\n")
                assert head.startswith(f"[perdure: {HANDLE}")
                got, after = got + piece, after + len(piece.encode())
            assert got == PAGE
            assert "line 3217 " in str(await asked(client, "recall", page=HANDLE, find="line 3217 "))
            assert HANDLE in str(await asked(client, "recall", path="long"))
            assert "No page" in await refused(client, "recall", page="p-222222222222")

    played(story())


def test_going_back_is_shown_and_not_done(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            first = (await asked(client, "log", kinds=["checkpoint.taken"]))["events"][1]["position"]
            way = await asked(client, "rewind_dry_run", to=first)
            assert way["files"]["changed"] == ["notes.txt"]
            assert way["leaves"]["requests"] == 1
            (remembered,) = way["the_world_remembers"]
            assert (remembered["tool"], remembered["outcome"]) == ("bank__pay", "succeeded")
            assert (tmp_path / "workspace" / "notes.txt").read_text(encoding="utf-8") == "one\n2\nthree\n"
            end = (await asked(client, "status"))["position"]
            assert "can go back to" in await refused(client, "rewind_dry_run", to=end)

    played(story())


def test_resources_show_the_same(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            uris = [str(each.uri) for each in (await client.list_resources()).resources]
            assert uris == ["perdure://status", "perdure://log", "perdure://receipts", "perdure://cost"]
            templates = [
                each.uri_template for each in (await client.list_resource_templates()).resource_templates
            ]
            assert templates == [
                "perdure://file/{position}/{+path}", "perdure://page/{handle}", "perdure://event/{position}"
            ]  # fmt: skip
            end = (await asked(client, "status"))["position"]
            (file,) = (await client.read_resource(f"perdure://file/{end}/notes.txt")).contents
            assert getattr(file, "text", None) == "one\n2\nthree\n"
            (page,) = (await client.read_resource(f"perdure://page/{HANDLE}")).contents
            assert "line 7 of a long result" in getattr(page, "text", "")
            (status,) = (await client.read_resource("perdure://status")).contents
            assert '"run":"one"' in getattr(status, "text", "")

    played(story())


def test_what_is_asked_wrongly_is_refused_with_words(tmp_path: Path):
    async def story() -> None:
        await lived(tmp_path)
        async with looking(tmp_path / "store") as client:
            assert "positions 1 to" in await refused(client, "event", position=99_999)
            assert "unknown field" in await refused(client, "log", colour="red")
            assert "Expected" in await refused(client, "log", limit="many")
            assert "<= 200" in await refused(client, "log", limit=100_000)
            assert "there is no tool" in await refused(client, "runs")

    played(story())
