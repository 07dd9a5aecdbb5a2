"""What happens in the fourth scene, in order; and whether what it claims came true.

Invariants:
- A claim is checked on this run: on the servers' ledgers, the log, the client's sessions and the requests that arrived.
- Both clients get the same files, the same script and the same kill. Nothing is remembered from another run.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import msgspec
from rich.markup import escape

import perdure
from perdure.demo.wrap_desk import Desk, Life, Strayed, Strict, open_strict, struck_down
from perdure.demo.wrap_lanes import LANES, causes, moments
from perdure.demo.wrap_plot import (
    ADVICE,
    BOOKING_STEP,
    DELETING,
    DINNER,
    GO_ON,
    MAIL,
    QUOTING_STEP,
    SUPPLIES,
    TASK,
    TONER,
    Books,
    cents_of,
    payee_of,
)
from perdure.demo.wrap_seen import Seen, not_so
from perdure.demo.wrap_show import Drawn, Paid
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.testing.upstream.narrator import ANSWERS, RECALL
from perdure.values.errors import PerdureError

RUN: Final = "books"
PERSON: Final = "you"
NOTE: Final = "that toner is paid"
ROOM_TOKENS: Final = 6_000
"""Under which the window is kept: the mail has more, so it has to leave."""
_ROOM: Final = ("--mode", "room", "--room", str(ROOM_TOKENS))
_OURS: Final = RECALL.encode()
_MEANT: Final = (SUPPLIES, TONER, DINNER)
_WHY: Final = (
    "declared: the second call got the receipt",
    "not declared: the second call was a question",
    "meant: nobody was asked any more",
)


class Sides(NamedTuple):
    """One client and its provider."""

    desk: Desk
    strict: Strict


class Kept(NamedTuple):
    """What stood at the moments at which it matters."""

    settings: bytes
    deleted: int
    """files that a command of the client's deleted"""
    back: int
    """those of them that the rewind brought back"""
    cut: bool
    """whether the new session ends before that command, and the client's own has it"""


class Scene:
    """The scene, played in a folder and drawn on a console."""

    def __init__(self, folder: Path, out: TextIO, options: Sequence[str] = ()) -> None:
        """Play in ``folder`` and draw on ``out``; ``options`` are more words for ``perdure wrap``."""
        self._folder: Path = folder
        self._drawn: Drawn = Drawn(out)
        self._options: tuple[str, ...] = (*_ROOM, *options)
        self._books: Books = Books()

    def play(self) -> Seen:
        """Play it to its end, and count. Raises ``Strayed`` where it takes another course."""
        began = time.monotonic()
        self._drawn.opening(self._folder)
        with ExitStack() as stack:
            alone, ours = (self._side(stack, name) for name in ("alone", "wrapped"))
            settings = (ours.desk.home / "servers.json").read_bytes()
            # Both start at once and are killed at the same place, and are told of one after the other.
            first = stack.enter_context(ours.desk.wrapped("--run", RUN, *self._options, words=[TASK]))
            with alone.desk.begin("purser", TASK) as life:
                _strike(alone.desk, life)
            _strike(ours.desk, first)
            self._alone(alone)
            self._killed(first)
            store = stack.enter_context(perdure.open(ours.desk.store))
            self._resumed(ours, store)
            kept = self._rewound(ours, store, settings)
            seen = self._counted(alone, ours, store, kept, began)
            self._tell(alone, ours, list(store.events(RUN)))
        self._drawn.closing(seen, ours.desk.store, RUN)
        return seen

    def _side(self, stack: ExitStack, name: str) -> Sides:
        strict = stack.enter_context(open_strict(self._books))
        return Sides(Desk(self._folder / name, self._books, strict.url), strict)

    # -- alone ---------------------------------------------------------------------------------------

    def _alone(self, side: Sides) -> None:
        """The client without perdure, which was killed, is resumed, and gets through with it."""
        self._drawn.typed(f'purser "{TASK}"')
        self._happened(0, "red", "SIGKILL", "bank and card have paid, and purser hasn't heard of it")
        self._drawn.typed(f'purser --continue "{GO_ON}"')
        with side.desk.begin("purser", "--continue", GO_ON) as life:
            life.well()
        for what in (SUPPLIES, TONER):
            references = ", ".join(f'"{line.reference}"' for line in side.desk.bought(payee_of(what)))
            many = len(side.desk.bought(payee_of(what)))
            self._happened(
                0, "red" if many > 1 else "green", f"paid {many}x", f"{payee_of(what)}: {references}"
            )

    # -- wrapped -------------------------------------------------------------------------------------

    def _killed(self, life: Life) -> None:
        """The client that is wrapped was killed as well."""
        own = f"--run {RUN} --mode room --room {ROOM_TOKENS} --profile purser.toml --effects effects.yaml"
        self._drawn.say()
        self._drawn.typed(f'perdure wrap {own} -- purser "{TASK}"')
        covered = [
            line for line in life.said().splitlines() if line.startswith("  ") and "  " in line.strip()
        ]
        self._drawn.quoted([line for line in covered if line.split()[0] in {"MCP", "model", "files", "own"}])
        self._happened(
            0, "red", "SIGKILL", "bank and card have paid, and purser hasn't heard of it; the log has"
        )

    def _resumed(self, side: Sides, store: perdure.Store) -> None:
        """The client goes on: receipt, question, denial; its keeper is killed; a payment that is meant is made."""
        self._drawn.typed(f'perdure wrap --resume {RUN} ... -- purser "{GO_ON}"')
        with side.desk.wrapped("--resume", RUN, *self._options, words=[GO_ON]) as life:
            first = self._asked(life, store)
            self._told_of_going_back(life, store)
            self._question(store, first)
            keeper = life.keeper()
            side.strict.before(BOOKING_STEP, lambda: struck_down(keeper))
            self._typed(side.desk, "deny", RUN, first, "--by", PERSON, "--note", NOTE)
            life.well()
            self._unnoticed(side, store)
            self._meant(store)
        for event in store.events(RUN):
            if isinstance(event.body, e.PageFaulted):
                self._happened(
                    event.position,
                    "magenta",
                    "fault",
                    f"the model asks for {MAIL} again, and has it in the same reply",
                )

    def _meant(self, store: perdure.Store) -> None:
        """The last payment is another one, and what a person said of the one before is remembered."""
        paid = max(store.state(RUN).world.receipts.values(), key=lambda each: each.settled)
        words = f"{paid.tool} {paid.what}: meant, and nobody is asked any more: the toner was recognised"
        self._happened(paid.settled, "green", "paid", words)

    def _asked(self, life: Life, store: perdure.Store) -> str:
        """Return the question that waits for a person, once there is one."""

        def look() -> str:
            asked = store.state(RUN).world.approvals.values()
            return next((each.id for each in asked if each.phase == "asked"), "")

        return life.until(look)

    def _told_of_going_back(self, life: Life, store: perdure.Store) -> None:
        life.until(lambda: any(isinstance(each.body, e.EffectReplayed) for each in store.events(RUN)))
        calls: dict[str, str] = {}
        for event in store.events(RUN):
            match event.body:
                case e.RunRewound(why=why):
                    self._happened(
                        event.position, "blue", "went back", f"{why}; it asks again, in other words"
                    )
                case e.IntentionProposed(call=call, arguments=arguments):
                    calls[call] = str((arguments or {}).get("reference"))
                case e.EffectReplayed(call=call):
                    text = f'bank__pay "{calls[call]}" is answered with the receipt of {SUPPLIES["invoice"]}'
                    self._happened(event.position, "green", "receipt", escape(text))
                case _:
                    pass

    def _question(self, store: perdure.Store, approval: str) -> None:
        asked = store.state(RUN).world.approvals[approval]
        for event in store.events(RUN):
            if isinstance(event.body, e.IntentionProposed) and event.body.call == asked.call:
                given = event.body.arguments or {}
                text = f'{event.body.tool} "{given.get("reference")}", {cents_of(given) / 100:,.2f}'
                why = "nobody declared what makes two of these the same, so a person is asked"
                self._happened(asked.asked, "yellow", "question", escape(f"{text}: {why}"))

    def _unnoticed(self, side: Sides, store: perdure.Store) -> None:
        for event in store.events(RUN):
            if isinstance(event.body, e.PageEvicted):
                self._happened(
                    event.position, "magenta", "left", f"{MAIL} leaves the window, which is kept small"
                )
        killed = [each.position for each in moments(list(store.events(RUN))) if each.lane == "keeper"]
        sent = side.strict.sent(BOOKING_STEP)
        for position in killed:
            words = "the same bytes" if len(set(sent)) == 1 else "[red]other bytes[/]"
            text = f"the keeper, while the model thinks. Purser waits at its socket; the next keeper sends {words}"
            self._happened(position, "red", "SIGKILL", text)

    # -- back ----------------------------------------------------------------------------------------

    def _rewound(self, side: Sides, store: perdure.Store, settings: bytes) -> Kept:
        """A person takes the run back to before files were deleted, and the client goes on from there."""
        desk = side.desk
        lost = len(self._books.lacking(desk.books))
        own = desk.sessions()[0]
        before = own.read_bytes()
        gone, turn = _deleted(list(store.events(RUN)))
        self._happened(gone, "red", "gone", escape(f"{DELETING}: {lost} files"))
        said = self._typed(desk, "rewind", RUN, "--to", str(turn), "--by", PERSON)
        lines = [line.strip() for line in said.splitlines()]
        self._drawn.quoted([line for line in lines if line.startswith(("+ session", "cut from"))])
        back = lost - len(self._books.lacking(desk.books))
        self._happened(0, "green", "back", f"{back} of {lost} files, byte for byte")
        new = desk.sessions()[0]
        spelled = DELETING.encode()
        cut = (
            new != own
            and own.read_bytes() == before
            and spelled in before
            and spelled not in new.read_bytes()
        )
        self._drawn.typed(f'perdure wrap --resume {RUN} ... -- purser "{ADVICE}"')
        with desk.wrapped("--resume", RUN, *self._options, words=[ADVICE]) as life:
            life.well()
        there = sorted(path.name for path in desk.books.iterdir())
        self._happened(0, "green", "done", f"in the books now: {', '.join(there)}")
        return Kept(settings, lost, back, cut and own.read_bytes() == before)

    def _typed(self, desk: Desk, *words: str) -> str:
        shown = " ".join(f'"{word}"' if " " in word else word for word in words)
        self._drawn.typed(f"perdure {shown}")
        return desk.typed(*words)

    # -- what came of it -----------------------------------------------------------------------------

    def _counted(self, alone: Sides, ours: Sides, store: perdure.Store, kept: Kept, began: float) -> Seen:
        events = list(store.events(RUN))
        bodies = [event.body for event in events]
        many = [len(ours.desk.bought(payee_of(what))) for what in _MEANT]
        twice = [len(alone.desk.bought(payee_of(what))) for what in _MEANT]
        told = ours.desk.results(ours.desk.sessions()[0])
        chains = list(causes(events))
        lanes = {each.lane for each in moments(events)}
        sent = ours.strict.sent(BOOKING_STEP)
        keeper = [each for each in moments(events) if each.lane == "keeper"]
        seen = Seen(
            payments_bare=sum(twice),
            payments=sum(many),
            too_many_bare=sum(twice) - len(_MEANT),
            too_many=sum(many) - len(_MEANT),
            receipts=_count(bodies, e.EffectReplayed),
            questions=_count(bodies, e.ApprovalRequested),
            keeper_kills=len(keeper),
            client_kills=sum(each.lane == "client" and each.sign == "K" for each in moments(events)),
            turns=_count(bodies, e.RequestForwarded),
            events=len(events),
            pages_left=_count(bodies, e.PageEvicted),
            faults=_count(bodies, e.PageFaulted),
            files_bare=kept.deleted - len(self._books.lacking(alone.desk.books)),
            files=kept.deleted - len(self._books.lacking(ours.desk.books)),
            files_deleted=kept.deleted,
            seconds=round(time.monotonic() - began, 1),
            bare_paid_twice=twice == [2, 2, 1],
            paid_once=many == [1, 1, 1],
            receipt_told=sum("perdure: this had been done before" in each.content for each in told) == 1,
            question_denied=[NOTE in each.content for each in told if each.is_error] == [True],
            meant_unasked=many[-1] == 1 and _count(bodies, e.ApprovalRequested) == 1,
            unnoticed=len(keeper) == 1 and len(sent) == 2 and sent[0] == sent[1],
            page_moved=self._came_back(ours, bodies),
            files_back=kept.deleted == kept.back > 0,
            session_cut=kept.cut,
            went_on=not self._books.lacking(ours.desk.books) and (ours.desk.books / "receipts.tar").exists(),
            one_story=lanes == set(LANES) and all(links[-1].words.startswith("turn ") for links in chains),
            log_sound=store.verify(RUN).ok and store.replay(RUN).difference is None,
            nothing_left=not (
                alone.desk.left() or ours.desk.left() or alone.strict.refused() or ours.strict.refused()
            )
            and (ours.desk.home / "servers.json").read_bytes() == kept.settings,
        )
        return msgspec.structs.replace(seen, promised=not any(not_so(seen)))

    def _came_back(self, ours: Sides, bodies: Sequence[e.Body]) -> bool:
        """Tell whether the mail left and came back, so that its code was written down; and the client knows nothing of it."""
        noted = ours.desk.books / ANSWERS
        right = noted.exists() and noted.read_text(encoding="utf-8").split() == [self._books.token(MAIL)]
        asked = any(_OURS in each.read_bytes() for each in ours.desk.sessions())
        recalled = any(
            each.way == "recalled" for each in ours.strict.provider.recorded if each.step == QUOTING_STEP
        )
        return right and recalled and not asked and _count(bodies, e.PageEvicted) > 0

    def _tell(self, alone: Sides, ours: Sides, events: Sequence[Event]) -> None:
        self._drawn.story(RUN, events)
        self._drawn.chains([links for links in causes(events) if links[0].words != "paid" or len(links) > 4])
        self._drawn.ledgers(
            [
                Paid(
                    payee_of(what),
                    cents_of(what),
                    len(alone.desk.bought(payee_of(what))),
                    len(ours.desk.bought(payee_of(what))),
                    why,
                )
                for what, why in zip(_MEANT, _WHY, strict=True)
            ]
        )

    def _happened(self, position: int, tone: str, word: str, text: str) -> None:
        self._drawn.happened(position, tone, word, text)


def shown(folder: Path, out: TextIO) -> Seen | None:
    """Play the scene in ``folder`` and draw it on ``out``; None where it broke off."""
    try:
        return Scene(folder, out).play()
    except (Strayed, PerdureError) as error:
        Drawn(out).trouble(f"{type(error).__name__}: {error}")
        return None


def _strike(desk: Desk, life: Life) -> None:
    """The client is killed when both payments under way are made; then the servers answer whom they find."""
    life.until(lambda: all(desk.bought(payee_of(what)) for what in (SUPPLIES, TONER)))
    life.struck()
    desk.let_go()
    life.ended()


def _deleted(events: Sequence[Event]) -> tuple[int, int]:
    """Return where files were found deleted, and the turn whose reply had asked for that. Raises ``Strayed``."""
    number = 0
    for event in events:
        match event.body:
            case e.RequestForwarded(number=own):
                number = own
            case e.WorkspaceChanged(paths=paths) if any(each.change == "deleted" for each in paths):
                return event.position, number - 1
            case _:
                pass
    raise Strayed("no file was deleted")


def _count(bodies: Sequence[e.Body], kind: type[e.Body]) -> int:
    return sum(isinstance(each, kind) for each in bodies)
