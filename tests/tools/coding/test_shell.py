"""shell tells the model how a command ended, admits its output in part, and keeps services by name."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.tools.coding.admission import Admitted
from perdure.adapters.tools.desk import Ran, Shell
from perdure.adapters.tools.outcomes import NotDone
from perdure.assembly.files.shelter import Shelter
from perdure.assembly.files.site import Site
from perdure.contract import Contract, compile_law
from perdure.intention.declaration import Definition
from perdure.values.digest import Json
from perdure.values.errors import BadInput, SandboxMissing
from perdure.values.limits import SHELL_HEAD_BYTES, SHELL_TAIL_BYTES
from tests.tools.coding.desk import TOOLS, PlainDesk, PlainShell, use, using


@pytest.fixture(params=["plain", "sandbox"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PlainDesk]:
    """A workspace with a shell: one that confines nothing, and the one that runs have."""
    root = tmp_path / "ws"
    root.mkdir()
    desk = PlainDesk(root, shell=True)
    if request.param == "plain":
        yield desk
        return
    law = compile_law(Definition("a", "", "", (TOOLS["shell"].declaration,)), Contract())
    shelter = Shelter(Site("r", desk.root, tmp_path / "scratch", "r"), law)
    desk.shell = shelter
    yield desk
    asyncio.run(shelter.close())


def said(desk: PlainDesk, **arguments: Json) -> dict[str, Json]:
    """Return what the shell tool answers."""
    answer = use(desk, "shell", **arguments)
    assert isinstance(answer, dict)
    return answer


def test_a_command_runs_in_the_workspace_and_says_exit_code_and_both_streams(desk: PlainDesk):
    assert said(desk, command="pwd; echo oops >&2; exit 3") == {"exit": 3, "output": f"{desk.root}\noops\n"}
    assert said(desk, command="cd /; true") == {"exit": 0, "output": ""}
    assert said(desk, command="pwd") == {"exit": 0, "output": f"{desk.root}\n"}


def test_a_command_that_takes_too_long_is_ended_and_what_it_said_is_kept(desk: PlainDesk):
    answer = said(desk, command="echo begun; sleep 1000", timeout_seconds=0.5)
    assert answer["exit"] is None
    assert answer["output"] == "begun\n"
    assert answer["timed_out"] == "it was ended after 0.5 s, with all that it had started"


def test_long_output_is_admitted_in_part_and_what_is_left_out_is_counted(desk: PlainDesk):
    output = said(desk, command="seq 1 100000")["output"]
    assert isinstance(output, str)
    whole = "".join(f"{n}\n" for n in range(1, 100001))
    cut = len(whole) - SHELL_HEAD_BYTES - SHELL_TAIL_BYTES
    middle = whole[SHELL_HEAD_BYTES:-SHELL_TAIL_BYTES].count("\n")
    gap = f"\n[... {cut} bytes in {middle} lines left out ...]\n"
    assert output == whole[:SHELL_HEAD_BYTES] + gap + whole[-SHELL_TAIL_BYTES:]


@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=12), st.text("aé名\n", max_size=8).map(str.encode)), max_size=12
    ),
    head=st.integers(0, 12),
    tail=st.integers(0, 12),
)
def test_admission_keeps_the_beginning_and_the_end_of_any_stream(pieces: list[bytes], head: int, tail: int):
    admitted = Admitted(head=head, tail=tail)
    for piece in pieces:
        admitted.take(piece)
    whole = b"".join(pieces)
    cut = len(whole) - head - tail
    if cut <= 0:
        assert admitted.text() == whole.decode("utf-8", "replace")
        return
    first, gap, last = admitted.text().partition(f"\n[... {cut} bytes")
    assert gap
    assert whole[:head].decode("utf-8", "replace").startswith(first)
    end = last.partition(" left out ...]\n")[2]
    assert whole[len(whole) - tail :].decode("utf-8", "replace").endswith(end)
    lines = whole[head : len(whole) - tail].count(b"\n")
    assert last.startswith(f" in {lines} lines" if lines else " left out")


async def until_it_says(desk: PlainDesk, words: str) -> dict[str, Json]:
    """Return the output of the service ``web`` once it holds ``words``."""
    while True:
        answer = await using(desk, "shell", action="output", service="web")
        assert isinstance(answer, dict)
        if words in str(answer["output"]):
            return answer
        await asyncio.sleep(0.01)


def test_a_service_is_started_listed_heard_and_stopped_by_its_name(desk: PlainDesk):
    async def story() -> None:
        started = await using(desk, "shell", action="start", service="web", command="echo ready; sleep 1000")
        assert started == {"service": "web", "command": "echo ready; sleep 1000", "state": "running"}
        with pytest.raises(NotDone, match="running"):
            await using(desk, "shell", action="start", service="web", command="true")
        assert await until_it_says(desk, "ready") == {"service": "web", "output": "ready\n"}
        assert await using(desk, "shell", action="list") == {"services": [started]}
        stopped = await using(desk, "shell", action="stop", service="web")
        assert isinstance(stopped, dict)
        assert stopped["state"] == {"exit": -9}

    asyncio.run(story())


def test_of_what_a_service_says_the_end_is_shown(desk: PlainDesk):
    async def story() -> dict[str, Json]:
        await using(
            desk, "shell", action="start", service="web", command="seq 1 20000; echo done; sleep 1000"
        )
        answer = await until_it_says(desk, "done")
        await using(desk, "shell", action="stop", service="web")
        return answer

    output = asyncio.run(story())["output"]
    assert isinstance(output, str)
    cut = sum(len(f"{n}\n") for n in range(1, 20001)) + 5 - SHELL_HEAD_BYTES - SHELL_TAIL_BYTES
    assert output.startswith(f"\n[... {cut} bytes left out ...]\n")
    assert output.endswith("20000\ndone\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "needs a command"),
        ({"action": "start", "service": "a"}, "needs a command"),
        ({"action": "start", "command": "true"}, "needs the name of a service"),
        ({"action": "stop", "service": "nobody"}, "there is no service '?nobody"),
        ({"action": "output", "service": "nobody"}, "there is no service '?nobody"),
    ],
)
def test_a_call_that_makes_no_sense_runs_nothing_and_says_why(
    desk: PlainDesk, arguments: dict[str, Json], why: str
):
    with pytest.raises(NotDone, match=why):
        said(desk, **arguments)


def test_arguments_out_of_bounds_do_not_reach_the_tool(desk: PlainDesk):
    for arguments in (
        {"timeout_seconds": 0},
        {"timeout_seconds": 1e9},
        {"service": "../x"},
        {"action": "fly"},
    ):
        with pytest.raises(BadInput):
            said(desk, command="true", **arguments)


class StubbornShell(PlainShell):
    """A shell whose sandbox refuses."""

    def __init__(self, root: Path, ran: Ran | None) -> None:
        super().__init__(root)
        self._ran = ran

    async def run(self, *_: object, **__: object) -> Ran:
        if self._ran is None:
            raise SandboxMissing("nothing can hold the reach here", hint="install bubblewrap")
        return self._ran


def test_refused_changes_and_programs_left_behind_are_told(desk: PlainDesk):
    shell: Shell = StubbornShell(
        desk.root, Ran(0, False, ("a/.env",), "the contract does not let it", ("node",))
    )
    desk.shell = shell
    assert said(desk, command="true") == {
        "exit": 0,
        "output": "",
        "refused": ["a/.env"],
        "why": "the contract does not let it; nothing that the command changed was kept",
        "ended": ["node"],
        "hint": 'it left these running; start what shall stay with action "start"',
    }


def test_a_command_that_can_not_be_confined_is_known_not_to_have_run(desk: PlainDesk):
    desk.shell = StubbornShell(desk.root, None)
    with pytest.raises(NotDone, match="nothing can hold the reach here; install bubblewrap"):
        said(desk, command="true")
    desk.shell = None
    with pytest.raises(NotDone, match="no shell"):
        said(desk, command="true")
