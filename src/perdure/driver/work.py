"""Carrying out requests: each becomes one task that ends in facts, and in nothing else."""

import asyncio
from collections.abc import Callable

from perdure.contract import redact
from perdure.driver.books import Books, arguments_of, text_of
from perdure.driver.files import Files
from perdure.driver.paging import answered_recall, previewed
from perdure.driver.port import (
    Children,
    Clock,
    Deed,
    Done,
    InDoubt,
    Model,
    Outcome,
    Tools,
    Underway,
    Undone,
    Workspace,
)
from perdure.driver.prompting import Prompter
from perdure.driver.telling import told
from perdure.driver.writer import Heard, RunWriter
from perdure.intention.reply import read_reply, reply_bytes
from perdure.log import events as e
from perdure.orchestrator.draft import content_of
from perdure.orchestrator.wanted import (
    Alarm,
    AnswerRecall,
    AskModel,
    Checkpoint,
    Look,
    Perform,
    Poll,
    Refresh,
    Request,
    RestoreTree,
    RunChild,
)
from perdure.projection.state import Effect
from perdure.values.digest import Json
from perdure.values.errors import Broken
from perdure.values.limits import MODEL_SECONDS_MAX, POLL_NS_MIN
from perdure.wire.prompt import ModelFailure


class Work:
    """What the requests of one run are carried out with."""

    def __init__(
        self,
        writer: RunWriter,
        *,
        tools: Tools,
        model: Model,
        children: Children,
        clock: Clock,
        workspace: Workspace | None,
        on_text: Callable[[str], None] | None,
    ) -> None:
        """Work for the run of ``writer``."""
        self._writer: RunWriter = writer
        self._store: Books = writer.store
        self._tools: Tools = tools
        self._model: Model = model
        self._children: Children = children
        self._clock: Clock = clock
        self._files: Files = Files(writer, workspace)
        self._on_text: Callable[[str], None] | None = on_text
        self._prompter: Prompter = Prompter(writer.recent)

    async def carry_out(self, request: Request) -> tuple[Heard, ...]:
        """Do what ``request`` says and return the facts that came of it."""
        match request:
            case AskModel():
                return await self._ask(request)
            case Perform(key, _):
                deed = self._deed(key)
                return self._heard(deed, await self._tools.perform(deed))
            case Look(key, _):
                return await self._look(key)
            case Poll(key):
                return await self._poll(key)
            case RunChild(key, child):
                return await self._child(key, child)
            case Checkpoint() | RestoreTree():
                return await self._files.carry_out(request)
            case Refresh(stems, _):
                claims = (claim for stem in stems for claim in self._store.claims(stem=stem))
                return (Heard(e.MemoryLearned(tuple(claims))),)
            case AnswerRecall(call, _):
                return answered_recall(self._writer, call)
            case Alarm(timer, due):
                await self._clock.until(due)
                return (Heard(e.TimerFired(timer)),)

    async def _ask(self, request: AskModel) -> tuple[Heard, ...]:
        writer = self._writer
        prompt = self._prompter.prompt(writer.state, writer.law)
        key = f"{writer.run}-{request.turn}-{request.attempt}"
        try:
            reply = await self._model.ask(prompt, key=key, on_text=self._on_text, timeout=MODEL_SECONDS_MAX)
        except ModelFailure as failure:
            return (
                Heard(
                    e.ModelFailed(request.turn, told(self._writer.law, failure.message), failure.retryable)
                ),
            )
        try:
            stored = reply_bytes(reply)
        except UnicodeEncodeError as error:
            why = f"the reply holds text that is no Unicode: {error.reason}"
            return (Heard(e.ModelFailed(request.turn, why)),)
        content, blob = content_of(stored.decode())
        body = e.ModelReplied(request.turn, content, reply.usage)
        # decided on as the log holds it, so that a replay reads the same
        return (Heard(body, (blob,) if blob is not None else (), read_reply(stored)),)

    def _deed(self, key: str) -> Deed:
        state = self._writer.state
        effect = state.world.open.get(key)
        if effect is None:
            raise Broken(f"a deed for {key} was asked for, and nothing of that key is open")
        undone = state.world.receipts.get(effect.undoes)
        return Deed(
            run=self._writer.run,
            key=key,
            tool=effect.tool,
            arguments=self._arguments(effect),
            attempt=effect.attempt,
            send=effect.send,
            position=effect.started,
            reference=effect.reference,
            receipt=text_of(self._store, undone.result) if undone is not None else None,
        )

    def _arguments(self, effect: Effect) -> dict[str, Json]:
        call = self._writer.asked.get(effect.call)
        if (
            call is not None
            and call.arguments is not None
            and effect.run == self._writer.run
            and not effect.undoes
        ):
            return call.arguments
        reply, turn = self._writer.reply, self._writer.state.live.turn
        if reply is not None and turn is not None and not effect.undoes:
            for record in turn.calls:
                if record.proposed == effect.proposed and effect.run == self._writer.run:
                    return reply.calls[record.index].arguments or {}
        return arguments_of(self._store, self._writer.state, effect)

    def _heard(self, deed: Deed, outcome: Outcome) -> tuple[Heard, ...]:
        law, key = self._writer.law, deed.key
        match outcome:
            case Done(result, partial, drift):
                content, blob = content_of(redact(law, result))
                kind = "partial" if partial else "succeeded"
                shown = previewed(self._writer, key, deed.arguments, content, blob)
                blobs = *((blob,) if blob is not None else ()), *shown.blobs
                body = e.EffectSettled(key, kind, content, preview=shown.preview, lines=shown.lines)
                settled = Heard(body, blobs)
                # before the settlement, which asks the model on: it has to be told by then
                found = (Heard(e.DriftFound(key, told(self._writer.law, drift))),) if drift else ()
                return (*found, settled)
            case Undone(reason):
                return (Heard(e.EffectSettled(key, "failed", None, told(self._writer.law, reason))),)
            case InDoubt(why, ended):
                return (Heard(e.EffectDoubted(key, told(self._writer.law, why), ended)),)
            case Underway(reference, poll_ns, give_up_ns):
                give_up = self._clock.now() + give_up_ns
                pause = max(poll_ns, POLL_NS_MIN)
                return (Heard(e.EffectPending(key, reference, pause, give_up)),)

    async def _look(self, key: str) -> tuple[Heard, ...]:
        finding = await self._tools.look(self._deed(key))
        law = self._writer.law
        evidence = told(self._writer.law, finding.evidence)
        if finding.verdict != "found":
            return (Heard(e.EffectReconciled(key, finding.verdict, evidence)),)
        content, blob = content_of(redact(law, finding.result))
        body = e.EffectReconciled(key, "found", evidence, content)
        return (Heard(body, (blob,) if blob is not None else ()),)

    async def _poll(self, key: str) -> tuple[Heard, ...]:
        """Ask until it is done; only the end is worth an event."""
        while True:
            effect = self._writer.state.world.open.get(key)
            if effect is None:
                return ()
            if self._clock.now() >= effect.give_up:
                return (Heard(e.EffectDoubted(key, "it is pending for longer than allowed", ended=True)),)
            deed = self._deed(key)
            outcome = await self._tools.poll(deed)
            match outcome:
                case Underway(reference) if reference != effect.reference:
                    return self._heard(deed, outcome)
                case Underway() | InDoubt():
                    await self._clock.until(min(self._clock.now() + effect.poll_ns, effect.give_up))
                case _:
                    return self._heard(deed, outcome)

    async def _child(self, key: str, child: str) -> tuple[Heard, ...]:
        deed = self._deed(key)
        end = await self._children.run(
            child=child,
            parent=self._writer.run,
            tool=deed.tool,
            task=str(deed.arguments.get("task", "")),
            depth=self._writer.state.depth + 1,
        )
        content, blob = content_of(end.answer)
        answer = content if end.status == "finished" else None
        body = e.ChildFinished(key, child, end.status, answer, end.why)
        return (Heard(body, (blob,) if blob is not None and answer is not None else ()),)

    def hurry(self) -> None:
        """A deed waits for the workspace to be recorded."""
        self._files.hurry()


async def cancelled(task: "asyncio.Task[tuple[Heard, ...]]") -> None:
    """End ``task`` and wait until it has ended, whatever it had to say."""
    task.cancel()
    await asyncio.wait([task])
