"""A run as it is driven, on a person's terminal: what happened scrolls up, what goes on stands below.

What is shown is what the log says: this reads durable events, and never asks the driver.
"""

import threading
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from perdure.cli.drawing.ink import COLOURS, Line, Tone, clock, count, money, one_line, span
from perdure.cli.following import Follower
from perdure.cli.place import Place
from perdure.cli.spoken.naming import names_of
from perdure.cli.spoken.words import Names, line_of
from perdure.log import events as e
from perdure.log.envelope import Event, unseal
from perdure.projection.state import State

SAID_CHARACTERS_MAX: Final = 400
"""Of a reply that goes with calls: enough to see what the model is about."""

RICH: Final[dict[Tone, str]] = {tone: name or "default" for tone, name in COLOURS.items()}


class Screen:
    """Shows one run, and its child runs, while somebody drives it. Use it as a context."""

    def __init__(self, place: Place, run: str, *, after: int, state: State | None) -> None:
        """Show what comes past position ``after``; ``state`` is the run's state there."""
        self._place: Place = place
        self._run: str = run
        self._console: Console = Console(stderr=True, highlight=False, soft_wrap=False)
        self._follower: Follower = Follower(place.store.books, run, after)
        self._names: dict[str, Names] = {run: names_of(place, state)}
        self._begun: dict[str, tuple[str, int]] = {}
        """open effects by key: what they do, and when they were sent"""
        self._tokens: int = state.world.tokens if state is not None else 0
        self._cost: int = state.world.cost_microusd if state is not None else 0
        self._doing: str = "begins"
        self._streaming: str = ""
        self._said: str = ""
        self._start: int = time.time_ns()
        self._stop: threading.Event = threading.Event()
        self._thread: threading.Thread = threading.Thread(
            target=self._watch, name="perdure-screen", daemon=True
        )
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._below, console=self._console, transient=True, refresh_per_second=8
            )

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show what is left, and give the terminal back."""
        self._stop.set()
        self._thread.join()
        if self._live is not None:
            self._live.stop()

    def text(self, piece: str) -> None:
        """The model said a piece of its reply."""
        self._streaming = (self._streaming + piece)[-SAID_CHARACTERS_MAX:]

    def _watch(self) -> None:
        while True:
            last = self._stop.is_set()
            for stored in self._follower.news():
                self._event(unseal(stored))
            if last:
                return
            self._follower.wait(0.2)

    # -- what happened -------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        names = self._names.setdefault(event.run, names_of(self._place))
        names.learn(event)
        match event.body:
            case e.ModelRequested(turn=turn):
                self._doing, self._streaming = f"turn {turn}, the model is asked", ""
            case e.ModelReplied(turn=turn, usage=usage, reply=reply):
                self._doing, self._streaming = f"turn {turn}", ""
                self._tokens += usage.input_tokens + usage.output_tokens
                self._tokens += usage.cache_read_tokens + usage.cache_write_tokens
                self._cost += usage.cost_microusd
                self._said = names.said(reply)
            case e.EffectStarted(key=key):
                self._begun[key] = (names.act(key), event.at)
            case e.EffectSettled(key=key) | e.EffectDoubted(key=key):
                self._told(event, line_of(event, names), since=self._begun.pop(key, None))
            case e.ChildSpawned(child=child):
                self._follower.add(child)
                self._told(event, line_of(event, names))
            case body if isinstance(body, _TOLD):
                self._told(event, line_of(event, names))
            case _:
                return

    def _told(self, event: Event, line: Line, since: tuple[str, int] | None = None) -> None:
        """Say ``line``, and before it what the model said when it asked for this."""
        if isinstance(event.body, e.IntentionProposed):
            self._say_reply(event)
            return
        if isinstance(event.body, e.RunClosed | e.RunSuspended) and event.run == self._run:
            return  # the caller says how the run rests
        took = f"  {span(event.at - since[1])}" if since is not None else ""
        words = Text.assemble(
            (f"{clock(event.at)[:8]}  ", RICH["quiet"]),
            (self._indent(event.run), RICH["quiet"]),
            (f"{line.sign} ", f"bold {RICH[line.tone]}"),
            (one_line(line.words), "default" if line.tone != "quiet" else RICH["quiet"]),
            (f"{took}  {one_line(line.aside)}".rstrip(), RICH["quiet"]),
        )
        self._print(words)

    def _say_reply(self, event: Event) -> None:
        if self._said.strip():
            said = one_line(self._said, SAID_CHARACTERS_MAX)
            begin = f"{clock(event.at)[:8]}  {self._indent(event.run)}« "
            self._print(Text.assemble((begin, RICH["quiet"]), (said, RICH["model"])))
        self._said = ""

    def _print(self, words: Text) -> None:
        """Print one line: cut to the screen, or whole where nobody looks at it."""
        if self._console.is_terminal:
            self._console.print(words, no_wrap=True, overflow="ellipsis")
        else:
            self._console.out(words.plain, highlight=False)

    def _indent(self, run: str) -> str:
        return "" if run == self._run else f"↳{run.rpartition('.')[2][:4]} "

    # -- what goes on --------------------------------------------------------------------------------

    def _below(self) -> RenderableType:
        rows: list[RenderableType] = []
        now = time.time_ns()
        for words, since in tuple(self._begun.values()):
            took = span(max(now - since, 0))
            row = Text.assemble((one_line(words), "default"), (f"  {took}", RICH["quiet"]))
            rows.append(Spinner("dots", text=row, style=RICH["doubt"]))
        if self._streaming:
            rows.append(
                Text(f"« {one_line(self._streaming)[-self._console.width + 4 :]}", style=RICH["model"])
            )
        parts = [self._run, self._doing, span(max(now - self._start, 0))]
        if self._tokens:
            parts.append(count(self._tokens, "token"))
        if self._cost:
            parts.append(money(self._cost))
        status = Text("  ·  ".join(parts), style=RICH["quiet"])
        rows.append(status if self._begun else Spinner("dots", text=status, style=RICH["head"]))
        return Group(*rows)


_TOLD: Final = (
    e.MessageReceived,
    e.ModelFailed,
    e.IntentionProposed,
    e.IntentionRefused,
    e.ApprovalRequested,
    e.ApprovalGranted,
    e.ApprovalDenied,
    e.ApprovalExpired,
    e.EffectPending,
    e.EffectReconciled,
    e.EffectReplayed,
    e.EffectCompensated,
    e.DriftFound,
    e.CheckpointFailed,
    e.CheckpointRestored,
    e.ChildFinished,
    e.ContractAdopted,
    e.RunRewound,
    e.RunResumed,
    e.RunClosed,
    e.RunSuspended,
)
"""Kinds that a person who watches wants to see; the rest is in ``perdure log``."""
