"""Conversations drawn by hypothesis, and models that need pages back in the worst order they can."""

from collections.abc import Callable

from hypothesis import strategies as st

from tests.page.kit import Result, Talk

Needs = Callable[[Talk], tuple[str, ...]]

tokens = st.sampled_from([100, 400, 900, 2_000, 6_000, 20_000])
results = st.builds(
    Result,
    tokens=tokens,
    about=st.sampled_from(["src/a.py", "src/b.py", "make test", ""]),
    preview=st.sampled_from([0, 0, 90]),
    tool=st.sampled_from(["Read", "Bash"]),
    exempt=st.sampled_from(["", "", "", "error", "recall"]),
    call=st.sampled_from(["call", "call", "call", ""]),
    name=st.just(""),
)


def turns(needs: int = 2) -> st.SearchStrategy[list[tuple[list[Result], int, int, int]]]:
    """Draw turns: results, a pause in seconds, words said, and how many pages the reply needs."""
    turn = st.tuples(
        st.lists(results, max_size=3),
        st.sampled_from([2, 5, 20, 400, 7_200]),
        st.sampled_from([50, 300, 2_000]),
        st.integers(0, needs),
    )
    return st.lists(turn, min_size=5, max_size=25)


def out(talk: Talk) -> list[str]:
    """Return the pages that are out and were never asked for, the newest first."""
    pages = talk.state.live.pages.values()
    return [page.page for page in reversed(tuple(pages)) if page.shape != "whole" and not page.faults]


def at_once(talk: Talk) -> tuple[str, ...]:
    """Need every page in the moment in which it has left."""
    return tuple(out(talk))


def one_by_one(talk: Talk) -> tuple[str, ...]:
    """Need one page with each reply, for as long as any is out."""
    return tuple(out(talk)[:1])
