"""What a client is about to do by itself is judged, what it did is recorded, and in the order in which it happened."""

import asyncio
from pathlib import Path

from perdure.assembly.foreign.replies import LastReply, SpelledCall
from perdure.contract import Contract
from perdure.contract.rules import ApprovalRule, Reach, Rule
from perdure.log import events as e
from perdure.values.digest import Json
from tests.hooks.kit import bodies, failed, hears, kinds, post, pre, questions, until, wrapped
from tests.sessions.ground import played, sound

NO_REMOVING = Contract(
    rules=(
        Rule(
            "no removing", ("Bash",), 'args.command.contains("rm -rf")', reason="nothing is removed by rm -rf"
        ),
    )
)
ASKS = Contract(approvals=(ApprovalRule("commands", ("Bash",)),))


def test_what_the_contract_does_not_forbid_is_left_to_the_client(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            said = await hears(session, pre("Bash", {"command": "ls"}))
            # No word of leave: whether its user is asked is the client's business.
            assert said == {"exit": 0, "err": "", "out": ""}
            await hears(session, post("Bash", {"command": "ls"}, {"stdout": "a.py"}))
            assert [kind for kind in kinds(session) if kind.startswith(("call.", "intention."))] == [
                "call.received",
                "intention.proposed",
                "intention.accepted",
                "call.answered",
            ]
            (answered,) = bodies(session, e.CallAnswered)
            assert isinstance(answered, e.CallAnswered)
            assert answered.outcome == "succeeded"
            assert answered.result is not None
            assert answered.result.text == '{"stdout":"a.py"}'

    played(story())
    sound(tmp_path / "store")


def test_what_the_contract_refuses_is_refused_with_its_reason(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=NO_REMOVING) as session:
            said = await hears(session, pre("Bash", {"command": "rm -rf /"}))
            assert said["exit"] == 2
            assert "rm -rf" in str(said["err"])
            assert kinds(session)[-1] == "intention.refused"
            # The client's own word for the refusal is no outcome of a deed.
            await hears(session, failed("Bash", {"command": "rm -rf /"}, "blocked by a hook"))
            assert kinds(session)[-1] == "intention.refused"

    played(story())
    sound(tmp_path / "store")


def test_reach_holds_for_the_file_that_is_meant_however_it_is_spelled(tmp_path: Path):
    contract = Contract(reach=Reach(read=("src/**",), write=("src/**",)))
    outside = tmp_path / "elsewhere"
    outside.mkdir()

    async def story() -> None:
        async with wrapped(tmp_path, contract=contract) as session:
            root = tmp_path / "workspace"
            (root / "src").mkdir()
            (root / "src" / "way-out").symlink_to(outside)
            allowed = [
                pre("Read", {"file_path": str(root / "src/a.py")}, "c1"),
                pre("Write", {"file_path": "a.py", "content": "x"}, "c2", cwd=str(root / "src")),
                pre("Glob", {"pattern": "**/*.py", "path": "."}, "c3", cwd=str(root / "src")),
            ]
            refused = [
                pre("Read", {"file_path": "/etc/passwd"}, "c4"),
                pre("Read", {"file_path": str(root / "src/../../x")}, "c5"),
                pre("Write", {"file_path": str(root / "src/way-out/x"), "content": "x"}, "c6"),
                pre("Glob", {"pattern": "/etc/*"}, "c7", cwd=str(root / "src")),
                pre("Glob", {"pattern": "*/../../../*"}, "c8", cwd=str(root / "src")),
                pre("Grep", {"pattern": "secret"}, "c9"),
            ]
            assert [(await hears(session, event))["exit"] for event in allowed] == [0, 0, 0]
            assert [(await hears(session, event))["exit"] for event in refused] == [2] * len(refused)

    played(story())


def test_a_patch_is_judged_by_the_files_that_it_names(tmp_path: Path):
    contract = Contract(reach=Reach(write=("src/**",)))
    patch = "*** Begin Patch\n*** Update File: {}\n@@\n-a\n+b\n*** End Patch"

    async def story() -> None:
        async with wrapped(tmp_path, contract=contract, client="codex") as session:
            root = str(tmp_path / "workspace")
            inside = pre("apply_patch", {"command": patch.format("src/a.py")}, "c1", cwd=root)
            outside = pre("apply_patch", {"command": patch.format("../b.py")}, "c2", cwd=root)
            assert (await hears(session, inside))["exit"] == 0
            assert (await hears(session, outside))["exit"] == 2

    played(story())


def test_a_question_to_a_person_holds_the_tool_and_the_grant_waits_for_the_same_call(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=ASKS) as session:
            said = await hears(session, pre("Bash", {"command": "git push"}), patience=0.0)
            assert said["exit"] == 2
            assert "perdure approve one" in str(said["err"])
            (asked,) = session.state.world.approvals.values()
            await session.decide(asked.id, grant=True, by="ann")
            assert (await hears(session, pre("Bash", {"command": "git push"}, "toolu_2")))["exit"] == 0
            # Single use: the next one asks again.
            assert (await hears(session, pre("Bash", {"command": "git push"}, "toolu_3"), patience=0.0))[
                "exit"
            ] == 2

    played(story())
    sound(tmp_path / "store")


def test_a_person_who_answers_in_time_is_waited_for(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=ASKS) as session:
            asking = asyncio.ensure_future(
                hears(session, pre("Bash", {"command": "make deploy"}), patience=50.0)
            )
            await until(lambda: questions(session))
            (asked,) = questions(session)
            await session.decide(asked, grant=False, by="ann", note="not today")
            said = await asking
            assert said["exit"] == 2
            assert "not today" in str(said["err"])

    played(story())


def test_a_call_that_nobody_waits_for_any_more_is_released(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=ASKS) as session:
            asking = asyncio.ensure_future(hears(session, pre("Bash", {"command": "ls"}), patience=50.0))
            await until(lambda: questions(session))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert "call.released" in kinds(session)

    played(story())


def test_a_failure_an_interruption_and_a_lost_end_are_told_apart(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            for call in ("c1", "c2", "c3"):
                await hears(session, pre("Bash", {"command": call}, call))
            await hears(session, failed("Bash", {"command": "c1"}, "Exit code 1", "c1"))
            await hears(session, failed("Bash", {"command": "c2"}, "stopped", "c2", is_interrupt=True))
            rests = {"hook_event_name": "Stop", "session_id": pre("Bash", {})["session_id"]}
            await hears(session, rests)
            ended = [
                (each.outcome, each.error)
                for each in bodies(session, e.CallAnswered)
                if isinstance(each, e.CallAnswered)
            ]
            assert ended[:2] == [("failed", "Exit code 1"), ("unknown", "stopped")]
            assert ended[2][0] == "unknown"

    played(story())


def test_a_sub_agents_call_goes_on_while_the_main_loop_rests(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            await hears(session, pre("Bash", {"command": "sleep 9"}, "c1", agent_id="a7"))
            rests = {"hook_event_name": "Stop", "session_id": pre("Bash", {})["session_id"]}
            await hears(session, rests)
            assert bodies(session, e.CallAnswered) == []
            await hears(session, {**rests, "hook_event_name": "SessionEnd"})
            assert len(bodies(session, e.CallAnswered)) == 1

    played(story())


def test_the_same_event_told_twice_is_one_call(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            for _ in range(2):
                assert (await hears(session, pre("Bash", {"command": "ls"})))["exit"] == 0
            for _ in range(2):
                await hears(session, post("Bash", {"command": "ls"}, "a.py"))
            assert len(bodies(session, e.CallReceived)) == len(bodies(session, e.CallAnswered)) == 1
            # A client that tries a call again whose end it has told does something new.
            await hears(session, pre("Bash", {"command": "ls"}))
            await hears(session, failed("Bash", {"command": "ls"}, "no"))
            assert len(bodies(session, e.CallReceived)) == len(bodies(session, e.CallAnswered)) == 2

    played(story())


def test_a_client_without_names_for_its_calls_is_understood(tmp_path: Path):
    before = {
        "session_id": "s",
        "hook_event_name": "BeforeTool",
        "tool_name": "run_shell_command",
        "cwd": "/",
    }

    async def story() -> None:
        async with wrapped(tmp_path, client="gemini-cli") as session:
            for command in ("ls", "make", "ls"):
                event: dict[str, Json] = {**before, "tool_input": {"command": command}}
                await hears(session, event)
                await hears(
                    session,
                    {**event, "hook_event_name": "AfterTool", "tool_response": {"llmContent": command}},
                )
            assert len(bodies(session, e.CallReceived)) == len(bodies(session, e.CallAnswered)) == 3

    played(story())


def test_what_ran_without_being_asked_about_is_recorded_and_said(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=NO_REMOVING) as session:
            said = await hears(session, post("Bash", {"command": "ls"}, "a.py", "c1"))
            assert said["exit"] == 0
            said = await hears(session, post("Bash", {"command": "rm -rf /"}, "", "c2"))
            assert said["exit"] == 1
            assert "without being judged" in str(said["err"])

    played(story())


def test_a_tool_that_nobody_knew_is_adopted_and_may_do_anything(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            assert (await hears(session, pre("Teleport", {"to": "moon"})))["exit"] == 0
            assert "contract.adopted" in kinds(session)
            (tool,) = (each for each in session.foreign.tools if each.name == "Teleport")
            assert (tool.effect, tool.builtin) == ("once", "client")

    played(story())
    sound(tmp_path / "store")


def test_calls_of_servers_behind_us_are_passed_over(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            end = session.state.position
            for event in (
                pre("mcp__bank__pay", {"invoice": "1"}),
                post("mcp__bank__pay", {"invoice": "1"}, "ok"),
                pre("bank_pay", {"invoice": "1"}),
                pre(
                    "mcp_bank_pay", {"invoice": "1"}, mcp_context={"server_name": "bank", "tool_name": "pay"}
                ),
                pre("mcp__perdure__log", {}),
            ):
                assert (await hears(session, event))["exit"] == 0
            assert session.state.position == end
            # One that isn't behind us is the client's own.
            await hears(session, pre("mcp__other__send", {}))
            assert "intention.proposed" in kinds(session, after=end)

    played(story())


def test_a_call_is_put_down_to_the_request_in_whose_reply_it_was_made(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            await session.tell(e.ConversationOpened("claude-code/1", "messages", "claude-opus-5-5"))
            (forwarded, *_) = await session.tell(e.RequestForwarded(1))
            said = LastReply()
            said.begin(forwarded.position)
            said.hear(SpelledCall("toolu_1", "Bash", '{"command":"ls"}'))
            for call in ("toolu_1", "toolu_of_a_sub_agent"):
                await hears(session, pre("Bash", {"command": "ls"}, call), reply=said)
            received = [each for each in session.store.events("one") if isinstance(each.body, e.CallReceived)]
            assert [each.body.of for each in received if isinstance(each.body, e.CallReceived)] == [
                forwarded.position,
                0,
            ]
            assert received[0].cause == forwarded.position

    played(story())


def test_words_that_nobody_understands_are_said_and_change_nothing(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            end = session.state.position
            senseless: list[dict[str, Json]] = [{}, {"hook_event_name": "PreToolUse"}, {"hook_event_name": 7}]
            for event in senseless:
                said = await hears(session, event)
                assert said["exit"] == 1
                assert str(said["err"]).startswith("perdure: ")
            assert (await hears(session, {"hook_event_name": "Notification"}))["exit"] == 0
            assert session.state.position == end

    played(story())


def test_a_run_that_can_not_be_written_lets_nothing_through(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            await hears(session, pre("Bash", {"command": "ls"}, "c1"))
            await session.close()
            said = await hears(session, pre("Bash", {"command": "ls"}, "c2"))
            assert said["exit"] == 2
            assert "not driven any more" in str(said["err"])
            # What has happened is said to be unrecorded; it can't be stopped any more.
            assert (await hears(session, post("Bash", {"command": "ls"}, "a.py", "c1")))["exit"] == 1

    played(story())
