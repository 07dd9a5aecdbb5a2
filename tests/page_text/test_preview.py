"""A preview keeps to its budget, and what it says of the result is so."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.page.preview import preview
from tests.page_text.claims import false_claims

HANDLE = "p-abcdefghij"

CODE = "".join(
    f"class Room{room}:\n    WIDTH = {room}\n\n"
    + "".join(
        f"    def verb{verb}(self, other: int) -> int:\n        return {verb} + other\n\n"
        for verb in range(9)
    )
    for room in range(30)
)
LOG = "".join(
    f"2026-01-01T00:{at // 60 % 60:02d}:{at % 60:02d} "
    + (
        f"ERROR worker {at} failed: timeout after {at} ms\n"
        if at % 97 == 50
        else f"INFO worker {at} did {at * 7}\n"
    )
    for at in range(2000)
)
ROWS = "id,name,amount\n" + "".join(f"{row},name {row},{row * 3}.50\n" for row in range(900))
ITEMS = json.dumps(
    [{"id": item, "name": f"n{item}", "tags": ["a"], "deep": {"x": item}} for item in range(500)]
)
PROSE = "".join(
    f"# Chapter {chapter}\n\n" + "Words that say something. " * 9 + "\n\n" for chapter in range(40)
)
FOUND = "".join(
    f"src/room{file}.py:{line}:    value = {line}\n" for file in range(30) for line in range(1, 9)
)
PATCH = "".join(
    f"diff --git a/src/f{file}.py b/src/f{file}.py\n--- a/src/f{file}.py\n+++ b/src/f{file}.py\n@@ -1,3 +1,9 @@\n"
    + "".join(f"+added {line}\n" for line in range(12))
    + "-removed\n"
    for file in range(20)
)


def shown(text: str, about: str = "", budget: int = 500) -> str:
    """Return the preview of a text of four characters to the token, held against its own claims."""
    tokens = max(1, len(text) // 4)
    made = preview(text, handle=HANDLE, about=about, tokens=tokens, budget=budget)
    assert made is not None
    assert len(made) <= 4 * (budget + 1)
    assert len(made) * 2 <= len(text)
    assert HANDLE in made.split("\n", 1)[0]
    assert false_claims(made, text) == []
    return made


pieces = st.sampled_from(
    [
        "def f(x):\n",
        "    return 1\n",
        "class A:\n",
        "ERROR it broke\n",
        "WARNING old\n",
        "ok 17 of 20\n",
        "a,b,c\n",
        "\n",
        "# Heading\n",
        "```\n",
        '{"a": 1}\n',
        "[",
        "x" * 500,
        "\r",
        "\u00e9\u20ac\n",
        "\ud800\n",
        "src/a.py:3: word\n",
        "@@ -1 +1 @@\n",
        "+new\n",
        "-old\n",
        "diff --git a/x b/x\n",
        "[lines 1-3:]\n",
        "     7\tnumbered\n",
    ]
)
anything = st.lists(st.one_of(pieces, st.text(max_size=60)), min_size=1, max_size=60).flatmap(
    lambda parts: st.integers(1, 40).map(lambda times: "".join(parts) * times)
)
abouts = st.sampled_from(
    ["", "a.py", "src/b.ts", "cat a.go", "make test", "notes.md", "rows.csv", "\u00e9 x.json"]
)


@given(anything, abouts, st.integers(1, 3000), st.integers(1, 10**6))
@settings(max_examples=400)
def test_a_preview_keeps_to_its_budget_and_to_half_of_the_whole(
    text: str, about: str, budget: int, tokens: int
):
    made = preview(text, handle=HANDLE, about=about, tokens=tokens, budget=budget)
    assert made == preview(text, handle=HANDLE, about=about, tokens=tokens, budget=budget)
    if made is not None:
        assert len(made) <= budget * len(text) / tokens
        assert len(made) * 2 <= len(text)
        assert HANDLE in made


@given(
    st.lists(
        st.text(st.characters(codec="ascii", exclude_characters="\n\r[:"), max_size=90),
        min_size=50,
        max_size=400,
    )
)
def test_lines_are_word_for_word_where_a_preview_says_so(lines: list[str]):
    text = "\n".join(lines)
    made = preview(text, handle=HANDLE, about="", tokens=max(1, len(text) // 4), budget=400)
    assert made is None or false_claims(made, text) == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda made: made.replace("[lines 1-", "[lines 2-"),
        lambda made: made.replace("class Room3:", "class Room4:"),
        lambda made: made.replace("    WIDTH = 0", "    WIDTH = 1"),
        lambda made: made.replace("left out", "kept", 1),
    ],
)
def test_a_preview_that_claims_what_is_not_so_is_caught(break_it: Callable[[str], str]):
    made = shown(CODE, "rooms.py")
    assert break_it(made) != made
    assert false_claims(break_it(made), CODE) != []


def test_a_short_result_has_no_preview():
    assert preview("short\n" * 20, handle=HANDLE, about="", tokens=30, budget=500) is None
    assert preview(CODE, handle=HANDLE, about="", tokens=len(CODE) // 4, budget=20) is None
    assert preview("", handle=HANDLE, about="", tokens=0, budget=500) is None


def test_code_is_shown_by_its_definitions_the_outer_ones_first():
    made = shown(CODE, "rooms.py", 900)
    assert all(f"class Room{room}:" in made for room in range(30))
    large = shown(CODE, "rooms.py", 2200)
    assert "    def verb8" in large


def test_code_with_numbers_before_its_lines_is_recognised():
    numbered = "".join(f"{number:6d}\u2192{line}\n" for number, line in enumerate(CODE.splitlines(), 1))
    made = preview(numbered, handle=HANDLE, about="/a/rooms.py", tokens=len(numbered) // 4, budget=900)
    assert made is not None
    assert f"{CODE.splitlines().index('class Room20:') + 1}: class Room20:" in made


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ("a.ts", "export async function fetchAll(url: string): Promise<void> {"),
        ("a.tsx", "export const Button = (props: Props) => {"),
        ("a.js", "  async load(path) {"),
        ("a.go", "func (s *Server) Serve(ctx context.Context) error {"),
        ("a.rs", "pub(crate) async fn serve(&self) -> Result<()> {"),
        ("a.java", "    public static List<String> names(int count) throws IOException {"),
        ("a.kt", "suspend fun load(id: Int): Page {"),
        ("a.cs", "    internal sealed class Store"),
        ("a.swift", "func draw(in rect: CGRect) {"),
        ("a.c", "static int parse_header(const char *line, size_t size)"),
        ("a.hpp", "template <typename T> class Table {"),
        ("a.rb", "  def self.call(env)"),
        ("a.php", "    public function boot(): void"),
        ("a.sh", "build_all() {"),
        ("a.sql", "CREATE TABLE runs ("),
        ("a.lua", "local function load(path)"),
        ("a.ex", "defmodule Store.Log do"),
        ("a.hs", "fold :: State -> Event -> State"),
        ("main.tf", 'resource "aws_instance" "web" {'),
        ("a.proto", "message Event {"),
        ("a.scss", ".button:hover {"),
        ("a.yaml", "services:"),
        ("a.toml", "[tool.ruff.lint]"),
        ("Makefile", "test: build"),
        ("Dockerfile", "FROM python:3.11"),
        ("a.pyi", "async def load(path: str) -> bytes: ..."),
    ],
)
def test_definitions_of_many_languages_are_found_with_their_lines(about: str, line: str):
    filler = "        x1 += y2 * 3 - 4 -- nothing of note stands here;\n" * 150
    text = f"{filler}{line}\n{filler}"
    made = shown(text, about)
    assert f"151: {' ' * (len(line) - len(line.lstrip()))}{line.strip()}"[:40] in made


def test_json_is_shown_by_its_shape():
    made = shown(ITEMS, "curl localhost/items")
    assert "list of 500" in made
    assert "each: object, 4 keys" in made
    assert '    name: "n0", "n1", ... (100 values)' in made
    assert "x: 0, 1, ... (100 values)" in made


def test_json_by_the_line_is_shown_by_what_its_lines_have_in_common():
    text = "".join(
        json.dumps({"at": at, **({"error": "no"} if at % 10 == 0 else {})}) + "\n" for at in range(900)
    )
    made = shown(text, "events.jsonl")
    assert "900 lines of JSON, each:" in made
    assert 'error (in 10 of 100): "no"' in made


def test_a_log_is_shown_by_what_went_wrong_and_what_was_said_over_and_over():
    made = shown(LOG, "journalctl -u worker")
    assert "ERROR worker 50 failed: timeout after 50 ms (20 times like this)" in made
    assert "lines like" in made
    assert "INFO worker" in made
    assert made.endswith("2026-01-01T00:33:19 INFO worker 1999 did 13993")


def test_what_went_wrong_is_not_said_where_nothing_did():
    quiet = "".join(f"test {number} ... ok, 0 failures\n" for number in range(600))
    assert "what went wrong" not in shown(quiet, "make test")


def test_a_table_is_shown_by_its_columns():
    made = shown(ROWS, "amounts.csv")
    assert "3 columns, 901 rows" in made
    assert "3 amount: 0.50, 3.50, 6.50, ..." in made


def test_prose_is_shown_by_its_headings():
    made = shown(PROSE, "notes.md", 600)
    assert "157: # Chapter 39" in made


def test_a_search_is_shown_by_its_files():
    made = shown(FOUND, "rg value")
    assert "240 lines in 30 files" in made
    assert "src/room0.py: lines 1, 2, 3, 4, 5, 6, 7, 8" in made


def test_a_patch_is_shown_by_its_files():
    made = shown(PATCH, "git diff")
    assert "a patch of 20 files, 20 hunks" in made
    assert "src/f0.py +12 -1 from line 1" in made


def test_lines_that_terminals_overwrite_are_read_as_shown():
    bar = "".join(f"\rload {percent}%" for percent in range(100)) + "\rload failed: disk full\n"
    text = "step\n" * 300 + bar + "step\n" * 300
    made = preview(text, handle=HANDLE, about="load", tokens=len(text) // 4, budget=300)
    assert made is not None
    assert "301: load failed: disk full" in made


def test_the_output_in_a_json_object_is_shown_as_the_text_that_it_is():
    told = json.dumps({"exit": 1, "output": LOG, "files": ["a", "b"]})
    made = preview(told, handle=HANDLE, about="make", tokens=len(told) // 4, budget=500)
    assert made is not None
    assert len(made) <= 2004
    assert "lines are counted here within its text output; beside it: exit 1, files list of 2" in made
    assert "(20 times like this)" in made
    assert made.endswith("INFO worker 1999 did 13993")
    assert false_claims(made, LOG) == []
