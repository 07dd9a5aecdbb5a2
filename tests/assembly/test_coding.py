"""The coding tools in a real run: real store, real workspace, and a real sandbox where the host allows one."""

from pathlib import Path

import msgspec
import pytest

import perdure
from perdure import Contract, coding_tools
from perdure.assembly.files.shelter import ladder_of
from perdure.contract import Reach
from perdure.intention.reply import Reply
from perdure.testing.scripted import ScriptedModel, call, say
from perdure.values.digest import Json
from perdure.wire.prompt import Answered

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with a secret in it and something beside it."""
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "app.py").write_text("print(41)\n")
    (root / ".env").write_text("KEY=hunter2\n")
    (root / "private").mkdir()
    (root / "private" / "diary").write_text("hunter3\n")
    (tmp_path / "beside").write_text("untouched\n")
    return root


def answers(
    project: Path, *calls: Reply, contract: Contract | None = None, confined: bool = False
) -> list[str]:
    """Return what the tools of a real run answer to ``calls``."""
    model = ScriptedModel([*calls, say("done")])
    agent = perdure.Agent(
        name="coder",
        instructions="Work.",
        tools=coding_tools(confined=confined),
        model=model,
        workspace=project,
        contract=contract,
    )
    with perdure.open(project.parent / "store") as store:
        outcome = store.start(agent, "go", run="r").wait(100)
        assert outcome == perdure.Finished("r", "done")
        assert store.verify("r").ok
    return [entry.text for entry in model.asked[-1].entries if isinstance(entry, Answered)]


def shelled(
    project: Path, *commands: str, contract: Contract | None = None, confined: bool = False
) -> list[dict[str, Json]]:
    """Return what the shell answers to ``commands``."""
    calls = [call("shell", command=command) for command in commands]
    said = answers(project, *calls, contract=contract, confined=confined)
    return [msgspec.json.decode(text, type=dict[str, Json]) for text in said]


@pytest.fixture
def sandboxed(project: Path, tmp_path: Path) -> Path:
    """The project, on a host where commands can be confined."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    rung = ladder_of(project, scratch).rung("sandbox")
    if not rung.ok:
        pytest.skip(rung.why)
    return project


def test_files_are_read_changed_and_searched_in_a_run(project: Path):
    said = answers(
        project,
        call("read", path="src/app.py"),
        call("edit", path="src/app.py", old="41", new="42"),
        call("write", path="src/new/mod.py", content="x = 1\n"),
        call("grep", pattern=r"\d+", path="src"),
        call("glob", pattern="**/*.py"),
        call("read", path="../beside"),
        call("write", path="../beside", content="x"),
    )
    assert [msgspec.json.decode(text) for text in said[:5]] == [
        "1\tprint(41)",
        "src/app.py: 1 place replaced, line 1",
        "src/new/mod.py: new, 1 lines, 6 bytes",
        "src/app.py:1:print(42)\nsrc/new/mod.py:1:x = 1",
        "src/app.py\nsrc/new/mod.py",
    ]
    assert all("leads out of the workspace" in text for text in said[5:])
    assert (project / "src" / "app.py").read_text() == "print(42)\n"
    assert (project.parent / "beside").read_text() == "untouched\n"


def test_a_declared_secret_is_read_changed_and_found_by_no_file_tool(project: Path):
    (project / "link").symlink_to(".env")
    said = answers(
        project,
        call("read", path=".env"),
        call("read", path="link"),
        call("edit", path=".env", old="KEY", new="X"),
        call("write", path=".env", content="X"),
        call("grep", pattern="hunter", path="."),
        call("grep", pattern="hunter2", path=".env"),
        call("glob", pattern="*"),
    )
    assert all("declared secret" in text for text in said[:4])
    assert msgspec.json.decode(said[4]) == "private/diary:1:hunter3"
    assert "there is no" in said[5]
    assert ".env" not in said[6]
    assert (project / ".env").read_text() == "KEY=hunter2\n"


def test_a_command_runs_in_the_workspace_and_changes_nothing_beside_it(sandboxed: Path):
    outside = sandboxed.parent / "beside"
    said = shelled(
        sandboxed,
        "pwd; python3 src/app.py; echo 43 >> src/app.py",
        f"echo gone > {outside}; rm -f {outside}; ls {outside}",
        "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 9), 3)\"",
        confined=True,
    )
    assert said[0] == {"exit": 0, "output": f"{sandboxed}\n41\n"}
    assert said[1]["exit"] != 0
    assert said[2]["exit"] != 0
    assert "unreachable" in str(said[2]["output"])
    assert (sandboxed / "src" / "app.py").read_text() == "print(41)\n43\n"
    assert outside.read_text() == "untouched\n"


def test_a_command_sees_nothing_that_may_not_be_read_and_writes_nothing_that_may_not_be_written(
    sandboxed: Path,
):
    contract = Contract(reach=Reach(read=("**", "!private/**", "!**/.env"), write=("src/**",)))
    said = shelled(
        sandboxed,
        "cat private/diary .env; grep -r hunter .",
        "echo x > src/kept",
        "echo x > src/lost; echo x > elsewhere; mv src/app.py moved",
        contract=contract,
    )
    assert "hunter" not in str(said[0]["output"])
    assert said[1]["exit"] == 0
    assert sorted(path.name for path in sandboxed.iterdir()) == [".env", "private", "src"]
    assert sorted(path.name for path in (sandboxed / "src").iterdir()) in (
        ["app.py", "kept"],
        ["app.py", "kept", "lost"],
    )
    if "refused" in said[2]:
        assert said[2]["refused"] == ["elsewhere", "moved"]
        assert "nothing that the command changed was kept" in str(said[2]["why"])


def test_a_service_of_a_run_is_heard_by_its_commands(sandboxed: Path):
    fetch = (
        'for i in $(seq 100); do python3 -c "from urllib.request import urlopen as u;'
        " print(u('http://127.0.0.1:8124/app.py').read())\" 2>&1 | grep print && exit 0; sleep 0.1; done; exit 1"
    )
    said = answers(
        sandboxed,
        call("shell", action="start", service="web", command="python3 -m http.server 8124 -d src"),
        call("shell", command=fetch),
        call("shell", action="output", service="web"),
        call("shell", action="stop", service="web"),
        call("shell", action="list"),
    )
    read = [msgspec.json.decode(text, type=dict[str, Json]) for text in said]
    assert read[1] == {"exit": 0, "output": "b'print(41)\\n'\n"}
    assert "GET /app.py" in str(read[2]["output"])
    assert read[4] == {"services": [read[3]]}
    assert read[3]["state"] != "running"
