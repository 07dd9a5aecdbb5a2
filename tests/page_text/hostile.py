"""Previews of texts that are made to take long, in a process that ends after so many seconds of its own time.

``python hostile.py SECONDS`` previews; ``python hostile.py SECONDS bite`` runs a pattern that never comes to an end.
"""

import re
import resource
import sys

from perdure.page.preview import preview

UNITS = (
    *(
        "a ",
        "a",
        " ",
        "\t",
        "(",
        "a(",
        "a,",
        "public ",
        "static async ",
        "export default ",
        "const a:",
        "a: ",
        "[",
        "[[a",
    ),
    *(
        "{",
        "::",
        "a::a ",
        "@a ",
        "#",
        "# ",
        "1",
        "1:",
        "0x",
        "f0",
        "error ",
        "0 errors ",
        "=",
        "-",
        "+",
        "'",
        '"',
        '",',
    ),
    *(
        "\\",
        "<a>",
        "a=",
        "--- a",
        "diff --git a/",
        "a/b:1:",
        "template ",
        "pub(",
        "extern ",
        "a\u20ac",
        "...",
        "E ",
    ),
    *("**", "~ ", "a|", "- a: ", "$(a) ", "a.b:", "no such", "FROM ", "create a "),
)
ENDS = ("", "x", "!", ")", " {", ";")
NAMES = [
    "py",
    "js",
    "go",
    "rs",
    "java",
    "c",
    "rb",
    "php",
    "sh",
    "sql",
    "lua",
    "ex",
    "hs",
    "tf",
    "proto",
    "scss",
    "yaml",
    "toml",
    "mk",
    "md",
    "csv",
    "json",
]


def previewed(text: str, about: str = "") -> None:
    """Make a preview of ``text``, whatever comes of it."""
    preview(text, handle="p-abcdefghij", about=about, tokens=len(text) // 2, budget=800)


def main() -> None:
    """Preview every unit over and over in one line, in every language; then texts that are large or deep."""
    for unit in UNITS:
        for end in ENDS:
            line = (unit * (400 // len(unit)))[: 400 - len(end)] + end
            for about in ("", *(f"a.{name}" for name in NAMES)):
                previewed((line + "\n") * 8, about)
    previewed("{" + '"a":[' * 100_000)
    previewed("x" * 50_000_000)
    previewed("\n" * 20_000_000)
    previewed("[" + "1," * 5_000_000 + "1]")
    previewed("[" + "1," * 900_000 + "1]")
    previewed("{" + ",".join(f'"{key}":{{"a":{key}}}' for key in range(100_000)) + "}")


if __name__ == "__main__":
    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.argv[2:] == ["bite"]:
        re.match(r"(?:\w+\s*)+:", "a" * 400)
    else:
        main()
