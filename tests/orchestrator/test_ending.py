"""How runs end: what comes too late changes nothing, and what comes at the last moment is heard."""

import msgspec

from perdure.log import events as e
from perdure.log.port import Post
from perdure.testing import say
from tests.orchestrator.bench import Bench


def posted(bench: Bench, body: e.Body, name: str = "late") -> None:
    """Put something into the inbox, as one that looked before could."""
    raw = msgspec.Raw(msgspec.json.encode(body))
    bench.store.post("run", Post(name, e.KIND_OF[type(body)], raw, 0))


def test_a_cancel_that_comes_after_the_end_leaves_the_answer_standing():
    with Bench(lambda world: (), [say("done")]) as bench:
        bench.start()
        posted(bench, e.RunClosed("cancelled", None, "too late", "operator"))
        state = bench.resume()
        assert state.status == "finished"
        assert bench.answer() == "done"
