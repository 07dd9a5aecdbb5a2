"""A wrapped run as its keeper leaves it: a real log, real files, a client's sessions beside it."""

import asyncio
import json
from copy import copy
from pathlib import Path

from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.log import events as e
from perdure.values.digest import digest
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wrap.transcripts.started import Started, spelled_start
from tests.sessions.ground import Bank
from tests.transcripts.visitors import VISITORS, ClaudeVisitor, Sent, Visitor

RUN = "shop"
SECONDS = 30


class Guest:
    """One client in its directory, with what it did turn by turn."""

    def __init__(self, place: Path, kind: str = "claude") -> None:
        self.kind = kind
        self.work = place / "work"
        self.store = place / "state"
        self.sessions = place / "home" / "sessions"
        self.work.mkdir(parents=True)
        (self.work / "kept.txt").write_text("as it was\n", encoding="utf-8")
        name = "01a21541-ab18-7151-a532-88d1121e33b2"
        folder = self.sessions / "2026" / "01" / "01"
        self.client: Visitor = VISITORS[kind](folder / f"rollout-2026-01-01T00-00-00-{name}.jsonl", name)
        self.trees: list[dict[str, str]] = []
        self.sent: tuple[str, ...] = ()
        self.number = 0

    @property
    def started(self) -> Started:
        profiles = {"claude": "claude-code", "codex": "codex", "qwen": "qwen-code"}
        programs = {"claude": "claude", "codex": "codex", "qwen": "qwen"}
        return Started(
            profile=profiles.get(self.kind, "opencode"),
            program=programs.get(self.kind, "opencode"),
            arguments=("-p", "begin"),
            version="9.9",
            directory=str(self.work),
            format=self.kind,
            sessions=(str(self.sessions / "*/*/*/*.jsonl"),),
        )

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self.work.iterdir())}

    async def turn(self, session: Session, text: str, commands: list[str]) -> None:
        """The client asks; the files are recorded; the model answers, and the client does what it says."""
        await self.forward(session, self.client.ask())
        assert await session.recorded(SECONDS)
        self.trees.append(self.files())
        usage = e.Usage(input_tokens=100, output_tokens=10, cost_microusd=1500)
        await session.tell(
            e.RequestAnswered(self.number, usage, usage, stop="tool_use" if commands else "end_turn")
        )
        self.client.reply(text, commands)
        for command in commands:
            (self.work / f"{command}.txt").write_text(f"by {command}\n", encoding="utf-8")

    async def forward(self, session: Session, sent: Sent) -> None:
        read = read_request(self.client.endpoint, sent.body, Memo())
        assert read is not None
        kept = 0
        while kept < min(len(self.sent), len(read.digests)) and self.sent[kept] == read.digests[kept]:
            kept += 1
        name = digest(sent.body)
        self.number += 1
        body = e.Content(len(sent.body), None, name)
        new = read.digests[kept:]
        fact = e.RequestForwarded(self.number, model="m", tokens=100, kept=kept, messages=new, body=body)
        await session.tell(fact, blobs=((name, sent.body),))
        self.sent = read.digests

    async def visit(
        self, turns: list[tuple[str, list[str]]], *, leaves: bool = True, says: str = "begin"
    ) -> None:
        """Work through ``turns`` in one life."""
        store = await asyncio.to_thread(open_store, self.store)
        try:
            foreign = Foreign(f"wrap:{self.started.profile}", (), root=self.work)
            session = await Session.open(store, RUN, foreign, Bank())
            await session.attached(
                f"{self.started.profile}/9.9", words=spelled_start(self.started), transcript=self.kind
            )
            if not session.resumed:
                api = self.client.endpoint
                await session.tell(
                    e.ConversationOpened("a/9.9", api, "m", session=self.client.session, mode="observe")
                )
            self.client.say(says)
            for text, commands in turns:
                await self.turn(session, text, commands)
            if leaves:
                await session.left("the client ended with exit code 0")
            await session.close()
        finally:
            await asyncio.to_thread(store.close)

    def lived(self, turns: list[tuple[str, list[str]]], *, leaves: bool = True, says: str = "begin") -> None:
        asyncio.run(asyncio.wait_for(self.visit(turns, leaves=leaves, says=says), SECONDS * 4))

    def going_on_with(self, path: Path) -> "Guest":
        """Return the client as it goes on with Claude Code's session in ``path``, under the name of that one."""
        again = copy(self)
        history = ClaudeVisitor.loaded(path)
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        client = ClaudeVisitor(path, path.stem)
        client.lines, client.history = lines, history
        client.leaf = next(each["uuid"] for each in reversed(client.lines) if "uuid" in each)
        client.now = self.client.now + 100
        again.client = client
        return again

    def new_files(self) -> list[Path]:
        return [path for path in sorted(self.sessions.rglob("*.jsonl")) if path != self.client.path]
