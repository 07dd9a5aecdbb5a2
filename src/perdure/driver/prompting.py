"""The conversation of a state as a prompt. Every call in it has its answer: a pair never dangles."""

from msgspec.structs import replace

from perdure.contract import Law, redact
from perdure.driver.books import Store, text_of
from perdure.intention.reply import Reply, read_reply
from perdure.projection.state import CallRecord, Message, State, Turn
from perdure.values.errors import Broken
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText


class Prompter:
    """Renders a run's conversation; entries that can't change any more are rendered once."""

    def __init__(self, store: Store) -> None:
        """Read content from ``store``."""
        self._store: Store = store
        self._rendered: list[tuple[Turn | Message, tuple[Entry, ...]]] = []

    def prompt(self, state: State, law: Law) -> Prompt:
        """Return the prompt that ``state`` asks the model with: all that stands before the open turn."""
        entries: list[Entry] = []
        for ordinal, entry in state.live.entries.items():
            if isinstance(entry, Turn) and not entry.replied:
                break
            entries += self._entry(ordinal, entry, law)
        definition = law.definition
        return Prompt(
            instructions=definition.instructions,
            tools=definition.tools,
            entries=tuple(entries),
            settings=definition.settings,
            cache_key=state.lineage,
        )

    def _entry(self, ordinal: int, entry: Turn | Message, law: Law) -> tuple[Entry, ...]:
        if ordinal < len(self._rendered) and self._rendered[ordinal][0] is entry:
            return self._rendered[ordinal][1]
        match entry:
            case Message():
                rendered: tuple[Entry, ...] = (UserText(_framed(entry, text_of(self._store, entry.text))),)
            case Turn():
                rendered = self._turn(entry, law)
        del self._rendered[ordinal:]
        if ordinal == len(self._rendered):
            self._rendered.append((entry, rendered))
        return rendered

    def _turn(self, turn: Turn, law: Law) -> tuple[Entry, ...]:
        reply = read_reply(text_of(self._store, turn.reply).encode())
        names = {record.index: record.id for record in turn.calls}
        ids = tuple(names.get(index, call.id) for index, call in enumerate(reply.calls))
        if any(call.id != name for call, name in zip(reply.calls, ids, strict=True)):
            reply = _renamed(reply, ids)
        answers = tuple(self._answer(record, law) for record in turn.calls)
        return (Said(reply), *answers)

    def _answer(self, record: CallRecord, law: Law) -> Answered:
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
            case "told":
                return Answered(record.id, record.text)
            case "":
                raise Broken(f"the call {record.id} has no answer, and the model was to be asked")


def _framed(message: Message, text: str) -> str:
    return f"[perdure] {text}" if message.sender == "perdure" else text


def _renamed(reply: Reply, ids: tuple[str, ...]) -> Reply:
    """Ids that the model minted twice were told apart; the provider's own blocks hold them still."""
    calls = tuple(replace(call, id=name) for call, name in zip(reply.calls, ids, strict=True))
    return replace(reply, calls=calls, blocks=None)
