"""The scripted model: what it says next follows from the request alone.

Invariants:
- It remembers nothing: where a run stands is read off the names of its own calls, the results that stand in the
  prompt, and what it said itself. So retries, forks, resumed runs and compactions need no special case.
- It goes on past a token only if the token stands in the prompt of that very request.
"""

import re
from typing import Final, Literal

import msgspec

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.plots import Act, Command, Fetch, Pause, Plot, Put, Quote, Small, ToolUse
from perdure.testing.upstream.question import Offer, Passage, Question, ToolCall, Utterance
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.schemas import filled
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tools import (
    named,
    reading,
    searching,
    shell,
    told_to_read,
    told_to_run,
    told_to_search,
    told_to_use,
    told_to_write,
)
from perdure.values.digest import Json

RECALL: Final = "perdure_recall"
RECALLS_MAX: Final = 3
WAITS_MAX: Final = 30
ANSWERS: Final = "answers.txt"
SUBMIT: Final = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""How some clients want to be told that all is done."""
_HANDLE: Final = re.compile(r"(?<![\w-])p-[a-z2-9]{10,48}(?!\w)")
_DONE: Final = re.compile(r"Step (\d+) is done")
_COMPACT: Final = re.compile(
    r"CONTEXT CHECKPOINT COMPACTION|Respond with TEXT ONLY|create a detailed summary|summarization agent",
    re.IGNORECASE,
)
"""How Codex, Claude Code and opencode ask for a summary."""
_TOLD: Final = re.compile(r"Now for step (\d+)")

Purpose = Literal["main", "side", "compaction"]
Way = Literal["", "seen", "asked", "recalled", "fetching", "fetched", "lost"]


class Verse(msgspec.Struct, frozen=True):
    """What is said to one request, and why."""

    utterance: Utterance
    purpose: Purpose
    step: int = 0
    way: Way = ""
    """how the token that the step needs was come by"""


class Narrator:
    """One plot, told to whoever asks. ``workspace`` is where the client's tools run."""

    def __init__(self, plot: Plot, ledgers: Ledgers, signet: Signet, workspace: str = "") -> None:
        self._plot = plot
        self._ledgers = ledgers
        self._signet = signet
        self._workspace = workspace

    def answer(self, question: Question) -> Verse:
        """Return what the model says."""
        done = self.done(question)
        if question.compacts:
            return Verse(Utterance(sealed=self._summary(question, done)), "compaction", done)
        if done and _compacts(question):
            return Verse(Utterance(text=self._summary(question, done)), "compaction", done)
        if question.wanted is not None:
            text = msgspec.json.encode(filled(question.wanted, "Ledgers")).decode()
            return Verse(Utterance(text=text), "side")
        hands = shell(question.offers)
        if hands is None or question.silent:
            return Verse(Utterance(text="Ledgers"), "side")
        return self._next(question, hands, done + 1)

    def _next(self, question: Question, hands: Offer, step: int) -> Verse:
        if step > len(self._plot):
            return self._ended(question, hands, step)
        acts = self._plot[step - 1]
        if isinstance(acts[0], Pause):
            return Verse(Utterance(text=f"Step {step} is done. Shall I go on?"), "main", step)
        ways: list[Way] = []
        for act in acts:
            if not isinstance(act, Quote):
                continue
            way = self._way(question.passages, act.file, step)
            if not way:
                return self._seek(question, hands, step, act, acts)
            ways.append(way)
        calls = [self._call(question, hands, step, act) for act in acts]
        return self._said(question, calls, step, ways[0] if ways else "")

    def _ended(self, question: Question, hands: Offer, step: int) -> Verse:
        if any(SUBMIT in passage.text for passage in question.passages):
            last = told_to_run(hands, f"echo {SUBMIT}", self._signet.call(_prefix(question), step))
            return self._said(question, [last], step, "")
        return Verse(Utterance(text=f"Step {step - 1} is done. That was the last one."), "main", step)

    def _said(self, question: Question, calls: list[ToolCall], step: int, way: Way) -> Verse:
        thought = f"Step {step} of {len(self._plot)} comes next." if question.thinks else ""
        text = f"Now for step {step}." if step % 2 or question.api == "chat" else ""
        return Verse(Utterance(text=text, calls=tuple(calls), thought=thought), "main", step, way)

    def _way(self, passages: tuple[Passage, ...], file: str, step: int) -> Way:
        """Tell whether the token stands in the prompt, and whether it was asked for."""
        token = self._ledgers.token(file)
        holding = [passage for passage in passages if passage.role != "call" and token in passage.text]
        if not holding:
            return ""
        asked = [passage.id for passage in holding if self._signet.step(passage.id) == (step, True)]
        if len(asked) < len(holding):
            return "seen"
        recalls = {p.id for p in passages if p.role == "call" and p.name == RECALL}
        return "recalled" if recalls.issuperset(asked) else "fetched"

    def _seek(self, question: Question, hands: Offer, step: int, use: Quote, acts: tuple[Act, ...]) -> Verse:
        calls = [p for p in question.passages if p.role == "call" and self._signet.step(p.id) == (step, True)]
        asked = sum(1 for call in calls if call.name == RECALL)
        recall = next((offer for offer in question.offers if offer.name == RECALL), None)
        handle = self._standing(question.passages, use.file)
        name = self._signet.call(_prefix(question), step, recall=True)
        if recall is not None and asked < RECALLS_MAX:
            arguments: dict[str, Json] = {"page": handle} if handle else {"path": use.file}
            if asked and handle:
                arguments["find"] = self._ledgers.middle(use.file)
            said = [ToolCall(name, recall, arguments)]
            # A mixed reply: what else the step does is not held up by what is missing.
            said += [self._aside(question, hands, step, act) for act in acts if isinstance(act, Small)]
            return self._said(question, said, step, "asked")
        # A client may have cut the middle out of a result before anybody else saw it: the file still has it.
        if not any(use.file in call.text and call.name != RECALL for call in calls):
            again = told_to_run(hands, f"cat {use.file}", name)
            return self._said(question, [again], step, "fetching")
        return Verse(Utterance(text=f"The token of {use.file} is lost."), "main", step, "lost")

    def _aside(self, question: Question, hands: Offer, step: int, act: Small) -> ToolCall:
        name = self._signet.call(_prefix(question), step, recall=True)
        return told_to_run(hands, f"echo {act.word} aside", name)

    def _call(self, question: Question, hands: Offer, step: int, act: Act) -> ToolCall:
        name = self._signet.call(_prefix(question), step)
        match act:
            case Fetch(file=file):
                eyes = reading(question.offers) if act.reading and self._workspace else None
                if eyes is not None:
                    return told_to_read(eyes, f"{self._workspace}/{file}", name)
                return told_to_run(hands, f"cat {file}", name)
            case Quote(file=file):
                return told_to_run(hands, f"echo {self._ledgers.token(file)} >> {ANSWERS}", name)
            case Small(word=word):
                return told_to_run(hands, f"echo {word}", name)
            case Command(command=command):
                return told_to_run(hands, command, name)
            case Put(file=file, text=text):
                place = f"{self._workspace}/{file}" if self._workspace else file
                return told_to_write(question.offers, hands, place, text, name)
            case ToolUse():
                return self._used(question, hands, step, act)
            case Pause():
                return told_to_run(hands, "true", name)

    def _used(self, question: Question, hands: Offer, step: int, act: ToolUse) -> ToolCall:
        """A tool that is kept back is searched for; one whose server is slow to start is waited for."""
        offer = named(question.offers, act.tool)
        if offer is not None:
            return told_to_use(offer, act.arguments, self._signet.call(_prefix(question), step))
        waits = [p for p in question.passages if p.role == "call" and self._signet.step(p.id) == (step, True)]
        if len(waits) >= WAITS_MAX:
            raise Rejection(f"no tool {act.tool} was offered")
        name = self._signet.call(_prefix(question), step, recall=True)
        search = searching(question.offers)
        hidden, opener = _hidden(question, act.tool), named(question.offers, "tool_call")
        if hidden and opener is not None:
            whole: dict[str, Json] = {"name": hidden, "arguments": act.arguments}
            return told_to_use(opener, whole, self._signet.call(_prefix(question), step))
        if search is not None and len(waits) % 2:
            return told_to_search(search, act.tool, name)
        return told_to_run(hands, f"sleep 0.3; : {len(waits)}", name)

    def _standing(self, passages: tuple[Passage, ...], file: str) -> str:
        """Return the handle that stands where the ledger stood, or beside its name."""
        calls = {passage.id for passage in passages if passage.role == "call" and file in passage.text}
        found = ""
        for passage in passages:
            if passage.role == "call":
                continue
            stood = passage.role == "result" and passage.id in calls
            for line in passage.text.splitlines():
                handle = _HANDLE.search(line)
                if handle and (stood or file in line) and not _nothing(line):
                    found = handle[0]
                    break
        return found

    def done(self, question: Question) -> int:
        """Return the last step whose calls have their results, or that was said to be done."""
        done = 0
        if _compacts(question):
            # Some clients hand over the conversation as one text: what was announced is done by then.
            told = "\n".join(passage.text for passage in question.passages[-3:] if passage.role == "user")
            done = max((int(said[1]) for said in _TOLD.finditer(told)), default=0)
        for passage in question.passages:
            if passage.role == "result":
                step, aside = self._signet.step(passage.id) or (0, True)
                done = max(done, 0 if aside else step)
            elif passage.role in {"assistant", "user", "summary"}:
                done = max([done, *(int(said[1]) for said in _DONE.finditer(passage.text))])
        return done

    def _summary(self, question: Question, done: int) -> str:
        """What a model keeps: where it stands, and the handles that it was told of in that request."""
        tail = [line for passage in question.passages[-3:] for line in passage.text.splitlines()]
        lines = [line.strip()[:300] for line in tail if _HANDLE.search(line)]
        kept = "\n".join(dict.fromkeys(lines))
        return f"<analysis>Ledgers.</analysis>\n<summary>\nStep {done} is done.\n{kept}\n</summary>"


def _hidden(question: Question, tool: str) -> str:
    """Return the name of a tool that a search has shown, of a client that goes on hiding what it found."""
    shown = re.compile(rf'\\*"name\\*":\s*\\*"([\w.-]*[_.]{re.escape(tool)})\\*"')
    found = [shown.search(passage.text) for passage in question.passages if passage.role == "result"]
    return next((each[1] for each in found if each), "")


def _nothing(line: str) -> bool:
    return "No page of this conversation" in line


def _compacts(question: Question) -> bool:
    """Tell whether what was said last asks for a summary; a gateway may have added to it."""
    texts: list[str] = []
    for passage in reversed(question.passages):
        if passage.role not in {"user", "system"}:
            break
        texts.append(passage.text)
    if not any(len(text) > 100 for text in texts):
        return False
    return any(_COMPACT.search(text) is not None for text in (*texts, question.system[:400]))


def _prefix(question: Question) -> str:
    return "toolu_" if question.api == "messages" else "call_"
