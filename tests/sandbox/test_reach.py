"""A command changes what it may, or nothing."""

from pathlib import Path

import pytest

from perdure.adapters.sandboxes.ran import Ran
from perdure.adapters.sandboxes.reach import WriteReach
from perdure.values.errors import SandboxMissing
from perdure.values.limits import LANDING_DEPTH_MAX
from tests.sandbox.ground import Ground, confining, ground, in_place, once_said, played, unconfining


@pytest.fixture
def here(tmp_path: Path) -> Ground:
    made = ground(tmp_path)
    for path in ("src/a.py", "src/deep/b.py", "docs/c.md", "Makefile"):
        (made.root / path).parent.mkdir(parents=True, exist_ok=True)
        (made.root / path).write_text(path)
    return made


def ran(here: Ground, command: str, *globs: str) -> Ran:
    return played(here.sandbox(reach=WriteReach.of(globs)).run(command, timeout=20))


def contents(here: Ground) -> dict[str, str]:
    return {
        str(path.relative_to(here.root)): path.read_text() for path in here.root.rglob("*") if path.is_file()
    }


def test_one_path_outside_the_reach_refuses_the_whole_command(here: Ground):
    before = contents(here)
    came = ran(here, "echo x > src/a.py; echo y > src/new; rm docs/c.md; exit 0", "src/**")
    assert came.refused == ("docs/c.md",)
    assert "contract" in came.why
    assert came.exit == 0
    assert contents(here) == before


def test_within_the_reach_all_lands(here: Ground):
    came = ran(here, "echo x > src/a.py; echo y > src/new; rm src/deep/b.py", "src/**")
    assert came.refused == ()
    assert contents(here) == {
        "src/a.py": "x\n",
        "src/new": "y\n",
        "docs/c.md": "docs/c.md",
        "Makefile": "Makefile",
    }


@pytest.mark.parametrize(
    ("command", "globs", "refused"),
    [
        ("echo x > src/new.py", ["src/*.py"], ()),
        ("echo x > src/new.txt", ["src/*.py"], ("src/new.txt",)),
        ("mkdir -p out/x; echo y > out/x/o.txt", ["out/x/*.txt"], ()),
        ("mkdir -p out/x out/z; echo y > out/x/o.txt", ["out/x/*.txt"], ("out/z",)),
        ("rm -r src", ["src/deep/**"], ("src", "src/a.py")),
        ("rm -r src; echo file > src", ["src"], ("src/a.py", "src/deep", "src/deep/b.py")),
        ("mv src/deep src/shallow", ["src/shallow/**"], ("src/deep", "src/deep/b.py")),
        ("chmod 700 docs", ["src/**"], ("docs",)),
        ("ln -s ../Makefile src/link; echo x > src/link", ["src/**"], ("Makefile",)),
        ("ln Makefile src/hard; echo x >> src/hard", ["src/**"], ("Makefile",)),
        ('python3 -c \'open("Makefile", "r+")\'', ["src/**"], ()),
        ("echo x > Makefile; echo -n Makefile > Makefile", ["src/**"], ("Makefile",)),
        ("echo x > src/.env", ["src/**", "!**/.env"], ("src/.env",)),
        ("touch 'src/back\\slash'", ["src/**"], ("src/back\\slash",)),
        ("ls -R; cat src/a.py", ["nothing"], ()),
    ],
)
def test_exactly_what_may_not_be_changed_is_named(
    here: Ground, command: str, globs: list[str], refused: tuple[str, ...]
):
    before = contents(here)
    came = ran(here, command, *globs)
    assert came.refused == refused
    if refused:
        assert contents(here) == before


def test_a_reach_of_everything_judges_nothing(here: Ground):
    assert ran(here, "touch 'back\\slash'", "**").refused == ()


def test_in_place_only_whole_directories_of_the_reach_can_be_written(here: Ground):
    box = here.sandbox(reach=WriteReach.of(["src/**"]), ladder=in_place(confining(here)))
    came = played(box.run("echo x > src/new; echo y > docs/new; echo z > Makefile; rm -r docs", timeout=20))
    assert came.refused == ()
    assert b"Read-only file system" in came.output
    assert contents(here) == {"src/a.py": "src/a.py", "src/deep/b.py": "src/deep/b.py",
                              "docs/c.md": "docs/c.md", "Makefile": "Makefile", "src/new": "x\n"}  # fmt: skip


def test_in_place_a_reach_that_forbids_something_lets_nothing_be_written(here: Ground):
    box = here.sandbox(reach=WriteReach.of(["src/**", "!src/a.py"]), ladder=in_place(confining(here)))
    before = contents(here)
    played(box.run("echo x > src/new; echo x > src/a.py", timeout=20))
    assert contents(here) == before


def test_a_link_in_the_way_widens_no_reach(here: Ground, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (here.root / "out").symlink_to(tmp_path / "outside")
    box = here.sandbox(reach=WriteReach.of(["out/**"]), ladder=in_place(confining(here)))
    played(box.run("echo x > out/new", timeout=20))
    assert list((tmp_path / "outside").iterdir()) == []


def test_without_a_sandbox_a_reach_is_not_held_so_nothing_runs(here: Ground):
    with pytest.raises(SandboxMissing):
        here.sandbox(reach=WriteReach.of(["src/**"]), ladder=unconfining(confining(here)))


@pytest.mark.parametrize(
    ("command", "deed", "refused"),
    [
        ("echo x > Makefile", "change", ("Makefile",)),
        ("rm Makefile", "change", ("Makefile",)),
        ("rm -r src", "nested", ("src/deep/b.py",)),
        ("echo x >> Makefile", "delete", ("Makefile",)),
        ("rm Makefile", "delete", ("Makefile",)),
        ("echo x > new", "create", ("new",)),
        ("echo x > docs/c.md", "change", ()),
    ],
)
def test_what_somebody_else_changed_meanwhile_is_not_written_over(
    here: Ground, command: str, deed: str, refused: tuple[str, ...]
):
    def meddle() -> None:
        match deed:
            case "change":
                (here.root / "Makefile").write_text("theirs")
            case "nested":
                (here.root / "src/deep/b.py").write_text("theirs")
            case "delete":
                (here.root / "Makefile").unlink()
            case _:
                (here.root / "new").write_text("theirs")
        (here.scratch / "tmp" / "go").touch()

    waits = "echo ready; until [ -e $TMPDIR/go ]; do sleep 0.01; done"
    came = played(here.sandbox().run(f"{command}; {waits}", timeout=30, hear=once_said(b"ready", meddle)))
    assert came.refused == refused
    if refused:
        assert "somebody else" in came.why
        assert "x\n" not in contents(here).values()


def test_a_command_after_another_is_not_taken_for_somebody_else(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        for number in range(5):
            came = await box.run(
                f"echo {number} >> Makefile; rm -rf out; mkdir out; echo {number} > out/n", timeout=20
            )
            assert came.refused == ()

    played(story())
    assert (here.root / "out/n").read_text() == "4\n"


def test_directories_deeper_than_we_go_refuse_the_command(here: Ground):
    deep = "/".join(["d"] * (LANDING_DEPTH_MAX + 2))
    deeper = "import os\nfor _ in range(2000): os.mkdir('d2'); os.chdir('d2')"
    box = here.sandbox()
    came = played(box.run(f'mkdir -p {deep}; python3 -c "{deeper}"', timeout=20))
    assert came.refused != ()
    assert "deeper" in came.why
    assert sorted(path.name for path in here.root.iterdir()) == ["Makefile", "docs", "src"]
    played(box.close())
    assert list((here.scratch / "layers").iterdir()) == []


def test_changes_are_told_once_and_exactly(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        await box.run("echo x > src/a.py; mkdir n; touch n/m; rm -r docs; chmod 600 Makefile", timeout=20)
        await box.run("cat src/a.py", timeout=20)
        told = box.take_changes()
        assert told == {"src/a.py", "n", "n/m", "docs", "docs/c.md", "Makefile", "."}
        assert box.take_changes() == frozenset()

    played(story())


def test_changes_of_a_refused_command_are_not_told(here: Ground):
    box = here.sandbox(reach=WriteReach.of(["src/**"]))
    played(box.run("echo x > Makefile", timeout=20))
    assert box.take_changes() == frozenset()


def test_changes_in_place_are_not_known(here: Ground):
    box = here.sandbox(ladder=in_place(confining(here)))
    played(box.run("true", timeout=20))
    assert box.take_changes() is None
