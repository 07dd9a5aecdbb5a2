"""A scripted model for benchmarks: shell commands, edits and payments, on the strict provider of `perdure.testing`.

Invariants:
- Where a conversation stands is read off the request, as the provider's own narrator does it: a client that went
  back gets the next step from there.
- A payment that is asked for anew has another reference, since a model never says the same thing twice.
- It waits `latency` seconds before it says anything, as a provider that thinks.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.narrator import Narrator, Verse
from perdure.testing.upstream.provider import Delivery, Provider
from perdure.testing.upstream.question import Offer, Question, ToolCall, Utterance
from perdure.testing.upstream.schemas import filled
from perdure.testing.upstream.server import Listening
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tools import shell, told_to_run
from perdure.values.digest import Json

WRITERS: Final = ("Write", "write", "write_file")
WAITS: Final = "make exactly this call again"
PATHS: Final = ("file_path", "filePath", "path")
NOT_YET: Final = ("unsupported call: mcp__", WAITS)
"""What Codex says of a tool whose server it has not started yet, and what perdure says of a call that waits for a
person: the model asks again."""
AGAIN_MAX: Final = 20
SEARCHES_MAX: Final = 12
"""A client answers from what has started so far: a server that is slow to start is found later."""
PAUSE_SECONDS: Final = 0.5


class Shell(msgspec.Struct, frozen=True):
    """Run a command."""

    command: str


class Write(msgspec.Struct, frozen=True):
    """Write a file by the client's own tool; by the shell where it has none."""

    file: str
    text: str


class Pay(msgspec.Struct, frozen=True):
    """Pay; each time it is asked for, the next reference is taken."""

    payee: str
    cents: int
    references: tuple[str, ...]
    invoice: str = ""

    def arguments(self, time: int) -> dict[str, Json]:
        """Return what the tool is called with the ``time``-th time, from 0."""
        reference = self.references[min(time, len(self.references) - 1)]
        given: dict[str, Json] = {"payee": self.payee, "cents": self.cents, "reference": reference}
        return given | ({"invoice": self.invoice} if self.invoice else {})


Step = Shell | Write | Pay


class Teller(Narrator):
    """Tells a script to whoever asks; a narrator for the strict provider."""

    def __init__(self, steps: tuple[Step, ...], signet: Signet, workspace: str) -> None:
        super().__init__((), Ledgers("none"), signet, workspace)
        self._steps = steps
        self._asked: Counter[int] = Counter()
        self.results: dict[int, list[str]] = {}
        """by step: what the model got to see as its result, in order"""

    def placed(self, workspace: Path) -> None:
        """Tell where the client's tools run."""
        self._workspace = str(workspace)

    def answer(self, question: Question) -> Verse:
        """Return what the model says."""
        hands = shell(question.offers)
        if question.wanted is not None:
            text = msgspec.json.encode(filled(question.wanted, "Work")).decode()
            return Verse(Utterance(text=text), "side")
        if hands is None or question.silent:
            return Verse(Utterance(text="Work"), "side")
        self._heard(question)
        step = self.done(question) + 1
        if step > len(self._steps):
            return Verse(Utterance(text="All of it is done."), "main", step)
        call = self._called(question, hands, step)
        if call is None:
            return Verse(Utterance(text=f"I have no tool for step {step}."), "main", step)
        thought = f"Step {step} comes next." if question.thinks else ""
        return Verse(Utterance(text=f"Now for step {step}.", calls=(call,), thought=thought), "main", step)

    def done(self, question: Question) -> int:
        """Return the last step whose result stands in the prompt."""
        results = [each for each in question.passages if each.role == "result"]
        steps = [
            (self._signet.step(each.id), any(words in each.text for words in NOT_YET)) for each in results
        ]
        waits = Counter(step for step, waiting in steps if waiting)
        over = [step for step, waiting in steps if not waiting or waits[step] > AGAIN_MAX]
        return max((step for step, aside in filter(None, over) if not aside), default=0)

    def _heard(self, question: Question) -> None:
        for each in question.passages:
            known = self._signet.step(each.id) if each.role == "result" else None
            heard = self.results.setdefault(known[0], []) if known and not known[1] else [each.text]
            if each.text not in heard:
                heard.append(each.text)

    def _called(self, question: Question, hands: Offer, number: int) -> ToolCall | None:
        step = self._steps[number - 1]
        name = self._signet.call(_prefix(question), number)
        match step:
            case Shell(command=command):
                return told_to_run(hands, command, name)
            case Write(file=file, text=text):
                return self._written(question, hands, file, text, name)
            case Pay():
                offer = paying(question.offers)
                if offer is None:
                    return self._searched(question, hands, number)
                if not self.results.get(number, [""])[-1].count(WAITS):
                    self._asked[number] += 1
                time = self._asked[number] - 1
                return ToolCall(name, offer, step.arguments(time))

    def _searched(self, question: Question, hands: Offer, number: int) -> ToolCall | None:
        """A client may keep its servers' tools back until they are searched for; or a server may not be up yet."""
        asides = [self._signet.step(each.id) for each in question.passages if each.role == "result"]
        if asides.count((number, True)) >= SEARCHES_MAX:
            return None
        name = self._signet.call(_prefix(question), number, recall=True)
        search = next((each for each in question.offers if each.manner == "tool_search"), None)
        if search is None:
            return told_to_run(hands, f"sleep {PAUSE_SECONDS}", name)
        return ToolCall(name, search, {"query": "payments pay"})

    def _written(self, question: Question, hands: Offer, file: str, text: str, name: str) -> ToolCall:
        offer = next((each for each in question.offers if each.name in WRITERS), None)
        if offer is None:
            return told_to_run(hands, f"printf '%s' '{text}' > {file}", name)
        properties = offer.schema.get("properties")
        path = next(each for each in PATHS if isinstance(properties, dict) and each in properties)
        base = filled(offer.schema, "a step")
        whole = base if isinstance(base, dict) else {}
        return ToolCall(name, offer, {**whole, path: f"{self._workspace}/{file}", "content": text})


def _prefix(question: Question) -> str:
    return "toolu_" if question.api == "messages" else "call_"


def paying(offers: tuple[Offer, ...]) -> Offer | None:
    """Return the tool that pays, under whatever name the client gives to a server's tool."""
    return next(
        (each for each in offers if each.name.endswith("pay") and "payments" in each.name + each.space), None
    )


class Thinking(Listening):
    """A strict provider that tells a script, and thinks before it speaks."""

    def __init__(self, steps: tuple[Step, ...], *, seed: str, workspace: str, latency: float = 0.0) -> None:
        signet = Signet(seed)
        self.teller = Teller(steps, signet, workspace)
        self.provider = Provider(self.teller, signet)
        self._latency = latency
        super().__init__(self._thought)

    def _thought(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        given = self.provider.ask(path, headers, body, at)
        if "count_tokens" not in path:
            time.sleep(self._latency)
        return given

    def mains(self) -> list[float]:
        """Return when each request of the main loop came."""
        return [each.at for each in self.provider.recorded if each.purpose == "main"]

    def refused(self) -> list[str]:
        """Return what was refused as no real provider would take it."""
        return [each.error for each in self.provider.recorded if each.error]


def course(turns: int) -> tuple[Step, ...]:
    """Return a task of that many turns: files are written, commands change and read them."""
    kinds: tuple[Callable[[int], Step], ...] = (
        lambda number: Write(f"part-{number}.txt", f"part {number}\n" * 8),
        lambda number: Shell(f"tail -n 2 part-{number - 1}.txt"),
        lambda number: Shell(f"echo line {number} >> log.txt && wc -l log.txt"),
        lambda number: Shell(
            f"mkdir -p d{number % 5} && cp part-{number - 3}.txt d{number % 5}/ && ls d{number % 5}"
        ),
    )
    return tuple(kinds[number % len(kinds)](number) for number in range(turns))
