"""A process that serves the small model on loopback until its standard input ends.

``python -m perdure.adapters.models.local_server WEIGHTS [TEMPLATE]`` prints one line, the address, and serves. It
lives as long as whoever holds the other end of the pipe, however that one ends. TEMPLATE is a file with another
chat template than the one that comes with the weights, which shows the model no tools.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Final, Protocol, cast

CONTEXT_TOKENS: Final = 8192
"""What the weights were trained for."""


class Threads(Protocol):
    """How many threads compute."""

    n_threads: int


class Weights(Protocol):
    """Which file holds the weights."""

    path: str


class Parameters(Protocol):
    """llama.cpp's parameters, as far as we set them."""

    model: Weights
    cpuparams: Threads
    cpuparams_batch: Threads
    hostnames: list[str]
    port: int
    n_ctx: int
    n_parallel: int
    use_jinja: bool
    chat_template: str
    warmup: bool
    ui: bool
    verbosity: int


class Serving(Protocol):
    """A server that listens."""

    listening_address: str


class Llama(Protocol):
    """The binding, which has no types."""

    def CommonParams(self) -> Parameters:  # noqa: N802 - the binding's name
        """Return its defaults."""
        ...

    def Server(self, params: Parameters) -> Serving:  # noqa: N802 - the binding's name
        """Load the weights and listen."""
        ...


def main(weights: str, template: str = "") -> None:
    """Serve ``weights`` until standard input ends; ``template``: the file of another chat template."""
    llama = cast("Llama", cast("object", importlib.import_module("xllamacpp")))
    params = llama.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    # One thread is the fastest here: a model this small waits for its threads longer than they work.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    if template:
        params.chat_template = Path(template).read_text(encoding="utf-8")
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    server = llama.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    # The server's threads have no other end; there is nothing here that could be left half done.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
