"""A call is found by its path, address or command, whatever its client calls them."""

import pytest
from hypothesis import given

from perdure.values.digest import Json
from perdure.values.limits import CALL_ABOUT_CHARACTERS_MAX, CALL_PATHS_MAX
from perdure.wire.bodies.about import about_of, paths_of
from perdure.wire.bodies.digests import call_digest
from tests.wire.bodies.spelling import values

PATCH = "*** Begin Patch\n*** Update File: src/a b.rs\n@@\n*** Add File: new.txt\n+x\n*** End Patch"


@pytest.mark.parametrize(
    ("arguments", "about", "paths"),
    [
        ({"file_path": "/r/a.py", "limit": 3}, "/r/a.py", ["/r/a.py"]),
        ({"filePath": "/r/a.py"}, "/r/a.py", ["/r/a.py"]),
        ({"command": "view", "path": "/r/a.py"}, "/r/a.py", ["/r/a.py"]),
        ({"pattern": "def x", "path": "src"}, "def x in src", []),
        ({"pattern": "def x", "path": "src/a.py"}, "def x in src/a.py", ["src/a.py"]),
        ({"path": "/r/src"}, "/r/src", ["/r/src"]),
        ({"dir_path": "/r"}, "/r", []),
        ({"pattern": "**/*.py"}, "**/*.py", []),
        ({"url": "https://a.example/b.html", "prompt": "read"}, "https://a.example/b.html", []),
        ({"command": "cat src/a.py | head -5"}, "cat src/a.py | head -5", ["src/a.py"]),
        ({"cmd": "sed -n '1,20p' 'src/a.py' > /dev/null"}, "sed -n '1,20p' 'src/a.py' > /dev/null", ["src/a.py"]),
        ({"command": ["bash", "-lc", "make test"]}, "make test", []),
        ({"command": ["git", "diff", "a.py"]}, "git diff a.py", ["a.py"]),
        ({"command": "cd /repo && sed -i s/a/b/ README.md"}, "cd /repo && sed -i s/a/b/ README.md", ["README.md"]),
        ({"command": "python -m pytest -q --tb=no 2>&1"}, "python -m pytest -q --tb=no 2>&1", []),
        ({"command": "curl https://a.example/x.json"}, "curl https://a.example/x.json", []),
        ({"command": "ls -la\npwd"}, "ls -la pwd", []),
        ({"command": "git -C /r/x.d show HEAD:src/a.ts"}, "git -C /r/x.d show HEAD:src/a.ts", []),
        ({"command": "python -c 'json.load(f); d.rows'; wc ./a.json"}, "python -c 'json.load(f); d.rows'; wc ./a.json", ["a.json"]),
        ({"command": "go test ./color/... && make -f src/Makefile"}, "go test ./color/... && make -f src/Makefile", ["src/Makefile"]),
        ({"skill": "deploy", "n": 3}, "deploy", []),
        (PATCH, "src/a b.rs", ["src/a b.rs", "new.txt"]),
        ({"cmd": f"apply_patch <<'EOF'\n{PATCH}\nEOF"}, "src/a b.rs", ["src/a b.rs", "new.txt"]),
        ({"query": "weather"}, "weather", []),
        ({"strange": {"path": "x"}, "n": [3]}, "", []),
        ({}, "", []),
        (None, "", []),
    ],
)  # fmt: skip
def test_what_a_call_is_about(arguments: Json, about: str, paths: list[str]):
    assert about_of(arguments) == about
    assert list(paths_of(arguments)) == paths


@given(values)
def test_any_arguments_are_about_one_short_line(arguments: Json):
    about = about_of(arguments)
    assert len(about) <= CALL_ABOUT_CHARACTERS_MAX
    assert "\n" not in about
    assert len(paths_of(arguments)) <= CALL_PATHS_MAX


def test_a_command_through_a_whole_tree_names_a_few_files_quickly():
    command = "cat " + " ".join(f"src/{number}.py" for number in range(100_000))
    assert len(paths_of({"command": command})) == CALL_PATHS_MAX
    assert about_of({"command": command}).endswith("…")
    assert paths_of({"command": "a/" * 50_000 + "!"}) == ()


def test_the_same_call_has_one_digest_in_any_order_of_names():
    assert call_digest("Read", {"a": 1, "b": [2]}) == call_digest("Read", {"b": [2], "a": 1})
    digests = {call_digest("Read", {"a": 1}), call_digest("Write", {"a": 1}), call_digest("Read", {"a": 2})}
    assert len(digests) == 3
