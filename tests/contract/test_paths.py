"""Which paths a reach lets through: hand-written truths, then every path against a plain oracle."""

import posixpath
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perdure.contract.paths import BadGlob, Unclear, glob_of, let_through, resolved


def through(globs: list[str], path: str) -> bool:
    spelled = resolved(path)
    return not isinstance(spelled, Unclear) and let_through([glob_of(text) for text in globs], spelled)


@pytest.mark.parametrize(
    ("globs", "path", "verdict"),
    [
        (["src/**"], "src/a.py", True),
        (["src/**"], "src/a/b/c.py", True),
        (["src/**"], "src", True),
        (["src/**"], "./src//a.py", True),
        (["src/**"], "src/x/../a.py", True),
        (["src/**"], "src/../etc/passwd", False),
        (["src/**"], "srcx/a.py", False),
        (["src/**"], "/src/a.py", False),
        (["src/**"], "lib/src/a.py", False),
        (["**"], ".", True),
        (["**"], "../outside", False),
        (["**"], "a/../../outside", False),
        (["**"], "/etc/passwd", False),
        (["/**"], "/etc/passwd", True),
        (["/**"], "etc/passwd", False),
        (["/srv/app/**"], "/srv/app/../../etc/passwd", False),
        (["/srv/app/**"], "/srv/app/x", True),
        (["/srv/app/**"], "/../srv/app/x", True),
        (["*.py"], "a.py", True),
        (["*.py"], "a/b.py", False),
        (["*"], ".", False),
        (["**/*.py"], "a.py", True),
        (["**/*.py"], "x/y/a.py", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a/**/b"], "a/xb", False),
        (["file?.txt"], "file1.txt", True),
        (["file?.txt"], "file/.txt", False),
        (["[ab].txt"], "a.txt", True),
        (["[!ab].txt"], "a.txt", False),
        (["[!ab].txt"], "/.txt", False),
        (["[[]x"], "[x", True),
        (["a.b"], "axb", False),
        (["(a|b)+"], "a", False),
    ],
)
def test_a_glob_matches_the_whole_of_a_resolved_path(globs: list[str], path: str, verdict: bool):
    assert through(globs, path) is verdict


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "a/b/.env",
        "a/../.env",
        ".ENV",
        ".env.",
        ".env ",
        ".e\u200bnv",
        "\uff0eenv",
        ".\uff45nv",
        "a/.Env.",
    ],
)
def test_what_is_forbidden_is_forbidden_in_every_spelling_of_it(path: str):
    globs = ["**", "!**/.env"]
    assert not through(globs, path)
    assert through(globs, "a/env")
    assert through(globs, "a/.envrc")


def test_no_glob_brings_back_what_another_forbids_whatever_their_order():
    assert not through(["!secrets/**", "**", "secrets/public.txt"], "secrets/public.txt")
    assert not through(["**", "!secrets/**"], "secrets")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "is empty"),
        ("a\\..\\b", "backslash"),
        ("~/x", "~"),
        ("~root/x", "~"),
        ("file:///etc/passwd", "URL"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\u0085b", "control"),
        ("../x", "out of the workspace"),
        ("x" * 5000, "longer"),
        ("\ud800", "control"),
    ],
)
def test_a_path_with_two_meanings_is_refused_and_the_reason_says_why(path: str, why: str):
    spelled = resolved(path)
    assert isinstance(spelled, Unclear)
    assert why in spelled.why


def test_composed_and_decomposed_letters_are_one_path():
    assert through(
        [unicodedata.normalize("NFC", "caf\u00e9/**")], unicodedata.normalize("NFD", "caf\u00e9/x")
    )
    assert not through(["**", "!caf\u00e9/**"], unicodedata.normalize("NFD", "caf\u00e9/x"))


@pytest.mark.parametrize(
    "glob", ["", "!", "a**", "**.py", "{a,b}", "a\\b", "~/x", "src/", "./a", "a/../b", "a//b", "[ab", "a]"]
)
def test_a_glob_that_could_not_mean_what_its_author_means_is_refused_with_a_cure(glob: str):
    with pytest.raises(BadGlob, match="; "):
        glob_of(glob)


# --- properties -------------------------------------------------------------------------------------

NAMES = st.text(alphabet="ab.-_é", min_size=1, max_size=4).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(st.one_of(NAMES, st.sampled_from(["..", ".", "", "a", "b"])), min_size=1, max_size=7).map(
    "/".join
)


def inside(path: str) -> bool:
    """Tell whether ``path`` stays in the workspace at every step, as the standard library reads it."""
    steps = path.split("/")
    return all(
        not posixpath.normpath("/".join(["w", *steps[: n + 1]])).startswith("..")
        and posixpath.normpath("/".join(["w", *steps[: n + 1]])) != "."
        for n in range(len(steps))
    )


@given(PATHS)
def test_a_resolved_path_is_what_the_standard_library_makes_of_it_or_leaves_the_workspace(path: str):
    assume(path)
    spelled = resolved(path)
    if path.startswith("/"):
        assert spelled == "/" + posixpath.normpath(path).lstrip("/")
    elif isinstance(spelled, Unclear):
        assert not inside(path)
    else:
        assert inside(path)
        assert spelled == posixpath.normpath(path)


@given(PATHS)
def test_resolving_twice_changes_nothing(path: str):
    spelled = resolved(path)
    if not isinstance(spelled, Unclear):
        assert resolved(spelled) == spelled


@given(st.text(max_size=30))
def test_whatever_is_let_through_lies_below_the_folder_that_was_allowed(path: str):
    if through(["safe/**"], path):
        assert posixpath.normpath(posixpath.join("/base", path)).startswith("/base/safe")


def oracle(pattern: list[str], path: list[str]) -> bool:
    """Match by trying everything: slow, short and obviously right for names and ``**``."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(oracle(pattern[1:], path[n:]) for n in range(len(path) + 1))
    return bool(path) and (pattern[0] == "*" or pattern[0] == path[0]) and oracle(pattern[1:], path[1:])


PIECES = st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=5)
SIMPLE = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@given(PIECES, SIMPLE)
def test_globs_agree_with_an_oracle_that_tries_everything(pattern: list[str], path: list[str]):
    assert through(["/".join(pattern)], "/".join(path)) is oracle(pattern, path)


@given(PIECES, SIMPLE, st.sampled_from([str.upper, str.title, lambda name: f"{name}. "]))
def test_a_forbidding_glob_forbids_at_least_what_an_allowing_one_allows(pattern, path, disguise):
    text = "/".join(pattern)
    if through([text], "/".join(path)):
        assert not through(["**", f"!{text}"], "/".join(path))
        assert not through(["**", f"!{text}"], "/".join(disguise(part) for part in path))


def test_a_matcher_that_forgets_to_resolve_is_caught_by_the_truths_above():
    def careless(globs: list[str], path: str) -> bool:
        return let_through([glob_of(text) for text in globs], path)

    assert careless(["src/**"], "src/../etc/passwd")
    assert not through(["src/**"], "src/../etc/passwd")
