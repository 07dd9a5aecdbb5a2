"""``python -m tests.transcripts``: real clients taken back to turns, and what they send first after that. In ``make test-clients``.

Each works through a plot under ``perdure wrap``, is taken back to turns with ``perdure rewind``, and goes on: bare from
the session that was cut, and under ``wrap --resume``. Its first request has to begin with the messages of that turn,
digest for digest; a session with a message less has to be refused.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from perdure.assembly.store import open_store
from perdure.testing.upstream.plots import Fetch, Pause, Plot, Quote, Small, files_of
from perdure.testing.upstream.server import Upstream
from perdure.testing.upstream.tap import Tap
from perdure.wire.bodies.reading import Memo, endpoint_of, read_request
from perdure.wrap.profiles.reading import known
from perdure.wrap.profiles.resuming import continuing
from perdure.wrap.transcripts.asked import as_sent, turn_event
from perdure.wrap.transcripts.forms import FORMS
from perdure.wrap.transcripts.lines import read_lines
from tests.clients.installing import NotInstalled, installed
from tests.clients.kinds import CLIENTS_KNOWN, NODE, Client
from tests.clients.place import Place, environment, throw_away

RUN = "story"
PLOT: Plot = (
    (Fetch("ledger-1.txt"),),
    (Quote("ledger-1.txt"),),
    (Small("one"), Small("two"), Fetch("ledger-2.txt")),
    (Quote("ledger-2.txt"), Small("three")),
    (Pause(),),
    (Quote("ledger-1.txt"),),
)
TURNS = (3, 1, 5, 2, 4)
KINDS = ("claude-code", "codex", "qwen-code")
SECONDS = 300
PERDURE = str(Path(sys.executable).with_name("perdure"))


class Told(AssertionError):
    """Something is otherwise than it has to be."""


class Stage:
    """One client, a strict provider for all its lives, and a store."""

    def __init__(self, client: Client, place: Place, upstream: Upstream) -> None:
        self.client = client
        self.place = place
        self.upstream = upstream
        self.store = place.home.parent / "store"
        self.profile = next(each for each in known() if each.name == client.name)
        upstream.ledgers.prepare(place.workspace, files_of(PLOT))

    def ran(self, *words: str, url: str = "", survives: bool = True) -> str:
        place = replace(self.place, url=url or self.upstream.url, prompt="x")
        done = subprocess.run(
            words,
            cwd=place.workspace,
            env=environment(place) | self.client.settings(place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if survives and done.returncode:
            raise Told(
                f"{' '.join(words)[:120]} ended with {done.returncode}: {(done.stdout + done.stderr)[-700:]}"
            )
        return done.stdout if survives else done.stdout + done.stderr

    def perdure(self, *words: str) -> dict[str, Any]:
        return json.loads(self.ran(PERDURE, *words, "--store", str(self.store), "--json"))

    def argv(self, prompt: str, url: str = "") -> list[str]:
        return self.client.argv(replace(self.place, url=url or self.upstream.url, prompt=prompt))

    def wrap(self, prompt: str, *options: str, survives: bool = True) -> str:
        begin = (PERDURE, "wrap", "--store", str(self.store), "--upstream", self.upstream.url)
        return self.ran(*begin, *options, "--", *self.argv(prompt), survives=survives)

    def bare(self, session: str) -> tuple[str, ...]:
        """Go on with ``session`` without perdure; return the digests of the first request."""
        with Tap(self.upstream.url) as tap:
            program, *rest = self.argv("Go on.", tap.url)
            self.ran(program, *continuing(self.profile, rest, session), url=tap.url)
            endpoint = endpoint_of(tap.passed[0].path)
            read = read_request(endpoint, tap.passed[0].body, Memo()) if endpoint is not None else None
        demand(read is not None, "the first request can't be read")
        return read.digests if read is not None else ()

    def wanted(self, turn: int) -> list[str]:
        """The answers that stand in the workspace when the turn is asked: a truth that nobody computed for us."""
        acts = [act for acts in PLOT[: turn - 1] for act in acts if isinstance(act, Quote)]
        return [self.upstream.ledgers.token(act.file) for act in acts]

    def answers(self) -> list[str]:
        path = self.place.workspace / "answers.txt"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


def demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Told(otherwise)


def from_each_turn(stage: Stage) -> None:
    """Files and session are those of the turn, and the bare client goes on from exactly its messages."""
    stage.wrap("Work through the ledgers.", "--run", RUN)
    own = {path: path.read_bytes() for path in sessions_of(stage)}
    for turn in TURNS:
        told = stage.perdure("rewind", RUN, "--to", str(turn), "--discard-foreign")
        demand(stage.answers() == stage.wanted(turn), f"turn {turn}: the answers are {stage.answers()}")
        with open_store(stage.store) as store:
            sent = as_sent(store.books, RUN, turn_event(store.books, RUN, turn))
        first = stage.bare(told["session"]["id"])
        agree(stage, sent.digests, first, turn)
    for path, content in own.items():
        demand(path.read_bytes() == content, f"{path} was written to")


def agree(stage: Stage, sent: tuple[str, ...], first: tuple[str, ...], turn: int) -> None:
    """The first request begins with the turn's messages, those apart that the client makes anew."""
    apart = {place for place in range(len(sent)) if place >= len(first) or first[place] != sent[place]}
    match stage.client.name:
        case "codex":
            demand(apart <= {0}, f"turn {turn}: messages {sorted(apart)} are otherwise")
        case "qwen-code":
            # What a person said is wrapped anew: that is the first message, and the last where it is one of these.
            demand(apart <= {0, 1, len(sent) - 1}, f"turn {turn}: messages {sorted(apart)} are otherwise")
        case _:
            demand(not apart, f"turn {turn}: messages {sorted(apart)} are otherwise")
    demand(len(first) > len(sent) or stage.client.name == "qwen-code", f"turn {turn}: nothing was added")


def under_wrap(stage: Stage) -> None:
    """Under wrap the run goes on from the turn, with files and prefix, to the end of the plot."""
    stage.wrap("Work through the ledgers.", "--run", RUN)
    stage.perdure("rewind", RUN, "--to", "3")
    before = len(stage.upstream.recorded)
    stage.wrap("Go on.", "--resume", RUN)
    refused = [each.error for each in stage.upstream.recorded[before:] if each.error]
    demand(refused == [], f"the provider refused {refused}")
    demand(stage.answers() == stage.wanted(5), f"the answers are {stage.answers()}")
    verified = stage.perdure("verify", RUN)
    demand(verified["ok"] is True, f"it does not verify: {verified}")


def with_a_message_less(stage: Stage) -> None:
    """A session that is not the turn's is refused with words, and reaches no provider."""
    stage.wrap("Work through the ledgers.", "--run", RUN)
    told = stage.perdure("rewind", RUN, "--to", "4")
    path = Path(told["session"]["path"])
    lines = read_lines(path)
    form = FORMS[stage.profile.transcript.format] if stage.profile.transcript is not None else None
    said = [each.record for each in form.entries(lines.records) if each.said] if form is not None else []
    path.write_bytes(b"".join(line + b"\n" for line in lines.raw[: said[-1]]))
    before = len(stage.upstream.recorded)
    words = stage.wrap("Go on.", "--resume", RUN, survives=False)
    mains = [each for each in stage.upstream.recorded[before:] if each.purpose == "main"]
    demand(mains == [], f"{len(mains)} requests reached the provider")
    demand("was to go on from" in words, f"it only says: {words[-700:]}")


SHOWN: dict[str, Callable[[Stage], None]] = {
    "each turn": from_each_turn,
    "under wrap": under_wrap,
    "a message less": with_a_message_less,
}


def sessions_of(stage: Stage) -> list[Path]:
    return [path for path in stage.place.home.rglob("*.jsonl") if "usage" not in str(path)]


@contextmanager
def stages(client: Client, name: str) -> Generator[Stage]:
    with (
        throw_away() as place,
        Upstream(
            PLOT, seed=f"{client.name} {name}", workspace=str(place.workspace), ledger_bytes=600
        ) as upstream,
    ):
        yield Stage(client, place, upstream)


@click.command()
@click.option("--client", "names", multiple=True, help="Only clients whose name begins so.")
def main(names: tuple[str, ...]) -> None:
    """Take real clients back to turns, and look at what they send first."""
    failed = 0
    chosen = [c for c in CLIENTS_KNOWN if c.name in KINDS and (not names or c.name.startswith(names))]
    for client in chosen:
        for name, shows in SHOWN.items():
            try:
                installed(NODE)
                installed(client)
                with stages(client, name) as stage:
                    shows(stage)
                print(f"{client.name:14} {name:16} held", flush=True)
            except (Told, NotInstalled, OSError, subprocess.TimeoutExpired) as reason:
                failed += 1
                print(f"{client.name:14} {name:16} FAILED {reason}", flush=True)
    print(json.dumps({"clients": len(chosen), "shown": len(chosen) * len(SHOWN), "failed": failed}))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
