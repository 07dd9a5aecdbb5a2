"""A user who works in the agent's directory, and rewinds: whatever they did there is still there, or can be had back.

Each history is drawn from its seed: an agent changes files turn by turn, a user changes files while the model
thinks and after the run, then types `perdure rewind` with no flag, `--keep-foreign` or `--discard-foreign`, works
on, and rewinds back. Counted as a loss: a path that was the user's last and is otherwise although nobody said
`--discard-foreign`; a refused rewind that touched anything; and anything that isn't as before after rewinding back.
Beside ours run two builds that have to lose.
"""

import asyncio
import contextlib
import io
import itertools
import random
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import perdure
from perdure.assembly.files.going_back import GoingBack, Way
from perdure.assembly.store import Store
from perdure.cli import main as command_line
from perdure.cli.ending import ended
from perdure.intention.reply import Call, Reply
from perdure.values.errors import RestoreRefused
from perdure.wire.prompt import Prompt

WORKERS: Final = 2
FOLDERS: Final = ("", "src/", "src/deep/", "notes/")
NAMES: Final = ("a", "b", "c", "d")
FLAGS: Final = ("", "--keep-foreign", "--discard-foreign")

A_MOMENT_S: Final = 0.04
"""A person is not back at the keys sooner; within a clock's grain of a deed nobody can tell whose a change is."""

Look = Mapping[str, tuple[str, int, bytes]]
"""path -> kind, mode, content"""


class Count(NamedTuple):
    """What histories came to."""

    histories: int = 0
    user_changes: int = 0
    rewinds: int = 0
    refused: int = 0
    losses: int = 0
    first: str = ""
    """of the losses, in words"""

    def plus(self, other: "Count") -> "Count":
        """Return both together."""
        return Count(
            self.histories + other.histories,
            self.user_changes + other.user_changes,
            self.rewinds + other.rewinds,
            self.refused + other.refused,
            self.losses + other.losses,
            self.first or other.first,
        )


def loss_figures(histories: int = 60, *, broken: int = 12) -> dict[str, Any]:
    """Play so many histories, and fewer with each broken build."""
    with ProcessPoolExecutor(WORKERS) as pool:
        ours = _sum(pool.map(history, range(histories)))
        builds = {name: _sum(pool.map(partial(history, build=name), range(broken))) for name in BROKEN}
    return {
        "rewind_histories": ours.histories,
        "rewinds": ours.rewinds,
        "rewinds_refused": ours.refused,
        "user_changes": ours.user_changes,
        "rewind_losses": ours.losses,
        "rewind_first_loss": ours.first,
        "rewind_losses_broken": {name: count.losses for name, count in builds.items()},
    }


def history(seed: int, *, build: str = "") -> Count:
    """Play the history of this seed; ``build`` names a broken one."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-losses-")))
        if build:
            stack.enter_context(BROKEN[build]())
        return _History(place, seed).play()


class _History:
    def __init__(self, place: Path, seed: int) -> None:
        self._chance = random.Random(f"losses-{seed}")
        self._seed = seed
        self._root, self._store = place / "work", place / "store"
        self._users: set[str] = set()
        """paths that the user was the last to change"""
        self._words = itertools.count()
        self._heard = ""
        """what the command line said last"""
        self._count = Count(histories=1)

    def play(self) -> Count:
        """The agent works, the user works, and both go back and forth."""
        for folder in FOLDERS:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(6):
            self._change("user")
        self._run()
        for _ in range(self._chance.randrange(1, 4)):
            self._change("user")
        before, end = _look(self._root), self._position()
        if not self._goes_back(self._chance.randrange(1, end), before):
            return self._count
        back = self._told_how_to_undo()
        if self._chance.random() < 0.3:
            self._change("user")
            self._goes_back(back, _look(self._root), "--keep-foreign")
            return self._count
        if not self._type(back, ""):
            self._type(back, "--discard-foreign")
        self._compare(before, _look(self._root), set(before), "after rewinding back")
        return self._count

    def _goes_back(self, to: int, before: Look, flag: str | None = None) -> bool:
        """Rewind; return whether that was done. What was the user's is checked."""
        flag = self._chance.choice(FLAGS) if flag is None else flag
        done = self._type(to, flag)
        after = _look(self._root)
        if not done:
            self._compare(before, after, set(before) | set(after), f"refused rewind to {to}")
        elif flag != "--discard-foreign":
            self._compare(before, after, self._users & set(before), f"rewind to {to} {flag}")
        # What was put back is nobody's work of now.
        self._users -= {path for path in {*before, *after} if before.get(path) != after.get(path)}
        return done

    def _run(self) -> None:
        turns = self._chance.randrange(3, 7)
        users_turns = {turn for turn in range(1, turns) if self._chance.random() < 0.6}

        @perdure.tool(effect="workspace")
        def work(turn: int) -> str:
            """Change files."""
            for _ in range(self._chance.randrange(1, 4)):
                self._change("agent")
            return f"done {turn}"

        model = _Company(turns, users_turns, lambda: self._change("user"))
        agent = perdure.Agent(
            name="worker", instructions="work", tools=[work], model=model, workspace=self._root
        )
        with perdure.open(self._store) as store:
            outcome = store.start(agent, "go", run="r").wait()
        assert isinstance(outcome, perdure.Finished), outcome

    def _change(self, who: str) -> None:
        """Somebody writes, adds to, removes, renames or closes one file; what it makes otherwise is theirs."""
        before = _look(self._root)
        self._touch(who, sorted(path for path, (kind, _, _) in before.items() if kind == "file"))
        after = _look(self._root)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        if who == "user":
            self._users |= changed
            self._count = self._count._replace(user_changes=self._count.user_changes + len(changed))
        else:
            self._users -= changed

    def _touch(self, who: str, files: list[str]) -> None:
        path = self._chance.choice(FOLDERS) + self._chance.choice(NAMES)
        kind = (
            self._chance.choice(("write", "write", "append", "remove", "rename", "mode"))
            if files
            else "write"
        )
        if kind in {"append", "remove", "rename", "mode"}:
            path = self._chance.choice(files)
        target = self._root / path
        words = f"{who} {self._seed} {next(self._words)}\n"
        match kind:
            case "write":
                target.write_text(words)
            case "append":
                with target.open("a") as file:
                    file.write(words)
            case "remove":
                target.unlink()
            case "rename":
                new = self._chance.choice(FOLDERS) + self._chance.choice(NAMES)
                target.rename(self._root / new)
            case _:
                target.chmod(self._chance.choice((0o600, 0o644, 0o755)) ^ 0o011)

    def _type(self, to: int, flag: str) -> bool:
        """Type the command; return whether it was done. Anything but done and refused ends the measurement."""
        words = ["rewind", "r", "--to", str(to), "--store", str(self._store), *filter(None, (flag,))]
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            code = ended(
                lambda: command_line.main(words, prog_name="perdure", standalone_mode=False), as_json=False
            )
        self._heard = heard.getvalue()
        refused = RestoreRefused.code in self._heard
        if code and not refused:
            raise SystemExit(f"history {self._seed}: {' '.join(words)}: {self._heard}")
        count = self._count
        self._count = count._replace(rewinds=count.rewinds + 1, refused=count.refused + refused)
        return not refused

    def _compare(self, before: Look, after: Look, paths: set[str], when: str) -> None:
        lost = [path for path in sorted(paths) if before.get(path) != after.get(path)]
        if lost:
            first = self._count.first or f"history {self._seed}, {when}: {', '.join(lost[:3])}"
            self._count = self._count._replace(losses=self._count.losses + len(lost), first=first)

    def _position(self) -> int:
        with perdure.open(self._store) as store:
            return store.state("r").position

    def _told_how_to_undo(self) -> int:
        """Return the position that the command line named to undo what it did."""
        words = re.search(r"to undo this: (.*)", self._heard)
        assert words is not None, self._heard
        told = shlex.split(words[1])
        return int(told[told.index("--to") + 1])


class _Company:
    """A model that asks for work turn by turn; in some turns somebody else works while it thinks."""

    def __init__(self, turns: int, company: set[int], meanwhile: Callable[[], None]) -> None:
        self._turns, self._company, self._meanwhile = turns, company, meanwhile
        self._asked = 0

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Think."""
        del prompt, key, on_text, timeout
        turn, self._asked = self._asked, self._asked + 1
        if turn in self._company:
            await asyncio.sleep(A_MOMENT_S)
            self._meanwhile()
            await asyncio.sleep(A_MOMENT_S)
        if turn >= self._turns:
            return Reply(text="done")
        return Reply(calls=(Call(f"c{turn}", "work", {"turn": turn}),))

    async def close(self) -> None:
        """Nothing is held."""


def _look(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return what stands in the directory."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        kind = "dir" if stat.S_ISDIR(mode) else "file"
        found[str(path.relative_to(root))] = (
            kind,
            stat.S_IMODE(mode),
            path.read_bytes() if kind == "file" else b"",
        )
    return found


def _blind(way: Callable[..., Way | None]) -> Callable[..., Way | None]:
    """Return a planner to whom every change is the agent's."""

    def blind(*args: Any, **named: Any) -> Way | None:
        found = way(*args, **named)
        return found and found._replace(foreign=())

    return blind


def _recording_nothing(record: Callable[..., None]) -> Callable[..., None]:
    """Return what doesn't record the present before it is overwritten."""
    del record
    return lambda *_args: None


@contextlib.contextmanager
def _broken(owner: type, name: str, broken: Callable[[Any], Any]) -> Generator[None]:
    whole = getattr(owner, name)
    setattr(owner, name, broken(whole))
    try:
        yield
    finally:
        setattr(owner, name, whole)


BROKEN: Final[dict[str, Callable[[], contextlib.AbstractContextManager[None]]]] = {
    "knows no strangers": lambda: _broken(GoingBack, "way", _blind),
    "records nothing first": lambda: _broken(Store, "record_present", _recording_nothing),
}


def _sum(counts: Any) -> Count:
    total = Count()
    for each in counts:
        total = total.plus(each)
    return total
