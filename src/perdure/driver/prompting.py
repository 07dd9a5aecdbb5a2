"""The conversation of a state as a prompt. Every call in it has its answer: a pair never dangles."""

from collections.abc import Mapping

from msgspec.structs import replace

from perdure.contract import Law, redact
from perdure.driver.books import Readable, text_of
from perdure.intention.reply import Reply, read_reply
from perdure.log.events import Content
from perdure.page.own import page_of, recalls
from perdure.page.recalling import RECALL
from perdure.projection.state import CallRecord, Message, Page, State, Turn
from perdure.values.errors import Broken
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText


class _Place:
    """Where a page's answer stands among the entries, and what stands there."""

    __slots__: tuple[str, ...] = ("at", "record", "shown")

    def __init__(self, at: int, record: CallRecord, shown: Content | None) -> None:
        """The answer of ``record`` stands at ``at``; ``shown`` is in its place, None: itself."""
        self.at: int = at
        self.record: CallRecord = record
        self.shown: Content | None = shown


class Prompter:
    """Renders a run's conversation; what can't change any more is rendered once.

    Only the newest turn of a path ever changes, and an earlier one becomes the newest again only by
    going back, which drops what stood behind it. So what was rendered is still right as far as its
    last turn, and what follows that, are still the same objects. Only pages move among it: what
    stands in their places is looked up whenever the page table is another one.
    """

    def __init__(self, store: Readable) -> None:
        """Read content from ``store``."""
        self._store: Readable = store
        self._kept: list[Turn | Message] = []
        self._flat: list[Entry] = []
        self._last_turn: int = 0
        self._pages: Mapping[str, Page] = {}
        self._places: dict[str, _Place] = {}

    def prompt(self, state: State, law: Law) -> Prompt:
        """Return the prompt that ``state`` asks the model with: all that stands before the open turn."""
        entries = state.live.entries
        if not self._still_right(entries):
            self._kept, self._flat, self._last_turn, self._places = [], [], 0, {}
        self._follow(state.live.pages, law)
        for ordinal in range(len(self._kept), len(entries)):
            entry = entries[ordinal]
            if isinstance(entry, Turn):
                if not entry.replied:
                    break
                self._last_turn = ordinal
            self._flat += self._entry(entry, law)
            self._kept.append(entry)
        definition = law.definition
        return Prompt(
            instructions=definition.instructions,
            tools=(*definition.tools, RECALL) if recalls(state) else definition.tools,
            entries=tuple(self._flat),
            settings=definition.settings,
            cache_key=state.lineage,
        )

    def _still_right(self, entries: Mapping[int, Turn | Message]) -> bool:
        return all(
            entries.get(ordinal) is self._kept[ordinal] for ordinal in range(self._last_turn, len(self._kept))
        )

    def _follow(self, pages: Mapping[str, Page], law: Law) -> None:
        """Put what stands in the places of pages now among the entries that were rendered before."""
        if pages is self._pages:
            return
        self._pages = pages
        for name, page in pages.items():
            place = self._places.get(name)
            if place is not None and place.shown != page.shown:
                place.shown = page.shown
                self._flat[place.at] = self._answer(place.record, law, page)

    def _entry(self, entry: Turn | Message, law: Law) -> tuple[Entry, ...]:
        match entry:
            case Message():
                return (UserText(_framed(entry, text_of(self._store, entry.text))),)
            case Turn():
                return self._turn(entry, law)

    def _turn(self, turn: Turn, law: Law) -> tuple[Entry, ...]:
        reply = read_reply(text_of(self._store, turn.reply).encode())
        names = {record.index: record.id for record in turn.calls}
        ids = tuple(names.get(index, call.id) for index, call in enumerate(reply.calls))
        if any(call.id != name for call, name in zip(reply.calls, ids, strict=True)):
            reply = _renamed(reply, ids)
        answers: list[Entry] = []
        for record in turn.calls:
            page = page_of(self._pages, record)
            if page is not None:
                self._places[page.page] = _Place(len(self._flat) + 1 + len(answers), record, page.shown)
            answers.append(self._answer(record, law, page))
        return (Said(reply), *answers)

    def _answer(self, record: CallRecord, law: Law, page: Page | None) -> Answered:
        if page is not None and page.shown is not None:
            return Answered(record.id, text_of(self._store, page.shown))
        content = text_of(self._store, record.content)
        match record.answer:
            case "succeeded":
                return Answered(record.id, content)
            case "replayed":
                words = "This was done before; it was not done again. Its receipt: "
                return Answered(record.id, words + content)
            case "partial":
                return Answered(record.id, f"Only a part was done: {content}", is_error=True)
            case "failed":
                words = f"Not done: {record.text}" if record.text else "Not done."
                return Answered(record.id, redact(law, words), is_error=True)
            case "refused":
                return Answered(record.id, record.text, is_error=True)
            case "told" | "waits" | "doubt" | "gone":
                return Answered(record.id, content or record.text)
            case "":
                raise Broken(f"the call {record.id} has no answer, and the model was to be asked")


def _framed(message: Message, text: str) -> str:
    return f"[perdure] {text}" if message.sender == "perdure" else text


def _renamed(reply: Reply, ids: tuple[str, ...]) -> Reply:
    """Ids that the model minted twice were told apart; the provider's own blocks hold them still."""
    calls = tuple(replace(call, id=name) for call, name in zip(reply.calls, ids, strict=True))
    return replace(reply, calls=calls, blocks=None)
