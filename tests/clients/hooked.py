"""``python -m tests.clients.hooked``: real clients with our hooks in their settings, and a contract that refuses one call.

Each client works through a scripted task. What the contract refuses has to be refused in that client: not run, and its
model told why. What ran has to stand in the log with how it ended, each call once.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from perdure.assembly.store import open_store
from perdure.contract import Contract
from perdure.contract.rules import Rule
from perdure.log import events as e
from perdure.testing.upstream.plots import Fetch, Plot, Small, files_of
from perdure.testing.upstream.server import Upstream
from perdure.wrap.hooks.snippets import snippet_of
from tests.clients.installing import NotInstalled, installed
from tests.clients.kinds import CLIENTS_KNOWN, NODE, Client
from tests.clients.place import Place, throw_away
from tests.clients.running import Life, lived
from tests.clients.wrapped.kinds import GEMINI, WRAPPED
from tests.hooks.kit import door, wrapped

REASON = "that ledger is nobody's business"
PLOT: Plot = (
    (Fetch("ledger-1.txt"),),
    (Small("one"),),
    (Fetch("ledger-2.txt"),),
    (Small("two"),),
    (Fetch("missing.txt"),),
    (Small("three"),),
)
RAN = 5
"""Calls of the plot that are allowed: all but the second ledger's."""
SHELLS = {
    "claude-code": "Bash",
    "codex": "Bash",
    "gemini-cli": "run_shell_command",
    "opencode": "bash",
    "qwen-code": "run_shell_command",
}


UNTOLD = ("codex", "gemini-cli")
"""They say that a command has run, and not, but in the words of its result, whether it failed."""


def contract_of(client: str) -> Contract:
    """Return a contract that refuses one ledger to the shell of ``client``."""
    refuses = 'args.command.contains("ledger-2")'
    return Contract(rules=(Rule("ledger", (SHELLS[client],), refuses, reason=REASON),))


def _claude(place: Place, client: Client, document: dict[str, Any]) -> Client:
    _into(place.home / ".claude/settings.json", document)
    return client


def _qwen(place: Place, client: Client, document: dict[str, Any]) -> Client:
    _into(place.home / ".qwen/settings.json", document)
    return client


def _gemini(place: Place, client: Client, document: dict[str, Any]) -> Client:
    (each,) = (each for each in WRAPPED if each.client is client)
    each.told(place, {})
    path = place.home / ".gemini/settings.json"
    _into(path, {**json.loads(path.read_text(encoding="utf-8")), **document})
    return client


def _codex(place: Place, client: Client, document: dict[str, Any]) -> Client:
    """Codex asks its user once whether hooks may run; nobody is asked here."""
    _into(place.home / ".codex/hooks.json", document)
    argv = client.argv

    def trusting(given: Place) -> list[str]:
        words = argv(given)
        return [*words[:2], "--dangerously-bypass-hook-trust", *words[2:]]

    return replace(client, argv=trusting)


def _opencode(place: Place, client: Client, document: dict[str, Any]) -> Client:
    argv = client.argv

    def with_plugin(given: Place) -> list[str]:
        words = argv(given)
        settings = place.home / "opencode.json"
        known = json.loads(settings.read_text(encoding="utf-8"))
        _into(settings, {**known, **document})
        return words

    return replace(client, argv=with_plugin)


DRESSED: dict[str, Callable[[Place, Client, dict[str, Any]], Client]] = {
    "claude-code": _claude,
    "codex": _codex,
    "gemini-cli": _gemini,
    "opencode": _opencode,
    "qwen-code": _qwen,
}


def played(client: Client) -> list[str]:
    """Run ``client`` through the plot with hooks in its settings; return what did not hold."""
    with (
        throw_away() as place,
        Upstream(PLOT, seed=f"hooked {client.name}", workspace=str(place.workspace)) as upstream,
    ):
        upstream.ledgers.prepare(place.workspace, files_of(PLOT))
        (place.workspace / "missing.txt").unlink()
        store = place.home.parent / "kept"
        dressed = DRESSED[client.name](place, client, snippet_of(client.name).document)
        with _keeper(store, client.name) as socket:
            there = replace(place, url=upstream.url, prompt="Work through the ledgers.")
            settings = client.settings

            def wrapped_settings(given: Place) -> dict[str, str]:
                return {**settings(given), "PERDURE_SOCKET": str(socket)}

            life = lived(replace(dressed, settings=wrapped_settings), there)
        asked = b"".join(each.body for each in upstream.recorded).decode(errors="replace")
        return [*_lived(life), *recorded_wrong(store / "store", client.name), *told_wrong(asked)]


def _lived(life: Life) -> list[str]:
    return [f"it ended with {life.status}: {life.tail}"] if life.status else []


def told_wrong(asked: str) -> list[str]:
    return [] if REASON in asked else ["its model was never told why a call was refused"]


def recorded_wrong(store: Path, name: str) -> list[str]:
    wrong: list[str] = []
    with open_store(store) as opened:
        if not opened.verify("one").ok:
            wrong.append("its run does not verify")
        bodies = [event.body for event in opened.events("one")]
    refused = {each.call for each in bodies if isinstance(each, e.IntentionRefused)}
    proposed = [each for each in bodies if isinstance(each, e.IntentionProposed)]
    answered = [each for each in bodies if isinstance(each, e.CallAnswered)]
    if not refused:
        wrong.append("nothing was refused")
    if refused & {each.call for each in answered}:
        wrong.append("what was refused ran all the same")
    if len(answered) != len(proposed) - len(refused) or len(answered) < RAN:
        wrong.append(f"{len(proposed)} calls, {len(refused)} refused, and {len(answered)} ends are told")
    if any(each.outcome == "unknown" for each in answered):
        wrong.append("how a call ended isn't known")
    if name not in UNTOLD and not any(each.outcome == "failed" for each in answered):
        wrong.append("a command failed, and that isn't recorded")
    return wrong


@contextmanager
def _keeper(place: Path, client: str) -> Generator[Path]:
    """Yield the socket of a session in a thread of its own."""
    socket, ready = place / "s", threading.Event()
    place.mkdir()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def kept() -> None:
        over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), over))
        async with (
            wrapped(place, contract=contract_of(client), client=client) as session,
            door(session, socket),
        ):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(kept(),))
    thread.start()
    if not ready.wait(60):
        raise AssertionError("the session never stood")
    try:
        yield socket
    finally:
        (loop, over) = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join()


def _into(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


@click.command()
@click.option("--client", "names", multiple=True, help="Only these.")
def main(names: tuple[str, ...]) -> None:
    """Run real clients with our hooks in their settings. A client that can't be installed has failed."""
    shown: dict[str, list[str]] = {}
    for client in (*CLIENTS_KNOWN, GEMINI):
        if client.name not in DRESSED or (names and client.name not in names):
            continue
        try:
            installed(NODE)
            installed(client)
            shown[client.name] = played(client)
        except NotInstalled as reason:
            shown[client.name] = [f"not installed: {reason}"]
        print(f"{client.name:14} {'; '.join(shown[client.name]) or 'passed'}", flush=True)
    print(json.dumps({"hooked": len(shown), "passed": sum(not each for each in shown.values())}))
    sys.exit(any(shown.values()))


if __name__ == "__main__":
    main()
