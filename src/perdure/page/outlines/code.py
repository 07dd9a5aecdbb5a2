"""Source code: its definitions with the numbers of their lines.

Patterns look at the beginning of a line, one after the other; none of them goes back and forth.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.page.outlines.sheet import Lined, Numbered

DEFINITIONS_MIN: Final = 3
"""Definitions below which a text of unknown kind isn't taken for code."""

_SPARSE: Final = 60
"""Lines for each definition, at most, in what is taken for code without being told."""

_SAMPLED: Final = 500
"""Lines by which a language is guessed."""

_DEFINITION_CHARACTERS: Final = 110
"""Shown of a definition: most signatures stand in one line of code."""

_NAME_CHARACTERS: Final = 36
"""Shown where that is too much for all of them: the name still stands in it."""

_SCRIPT: Final = (
    r"(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function\b|class\s+\w|interface\s+\w|type\s+\w+\s*[=<]|enum\s+\w|namespace\s+\w)"
    r"|(?:export\s+)?(?:const|let|var)\s+\w+\s*(?::[^=]{1,80})?=\s*(?:async\s*)?(?:\(|function\b|\w+\s*=>)"
    r"|(?:(?:static|async|public|private|protected|readonly|override|get|set)\s+)*"
    r"(?!if\b|for\b|while\b|switch\b|catch\b|return\b)[\w$#]+\s*\([^;{}]*\)\s*(?::[^{;]{1,80})?\{\s*$"
    r"|(?:describe|it|test)\s*\("
)
_BRACES: Final = (
    r"(?:@\w+\s+)?(?:(?:public|private|protected|internal|static|final|abstract|sealed|override|virtual|async|partial"
    r"|open|data|inline|suspend|implicit|case|readonly|unsafe|extern|new)\s+)*"
    r"(?:(?:class|interface|enum|record|struct|object|trait|fun|func|def|namespace|extension|protocol|package)\s+[\w.<`]"
    r"|(?!return\b|else\b|throw\b|await\b|new\b|using\b)[\w.<>\[\],?]+\s+\w+\s*\([^;={]*\)\s*(?:throws\s[^{;]*)?\{?\s*$)"
)
_C: Final = (
    r"(?:struct|class|enum|union|namespace|typedef|template)\b[^;]*$"
    r"|#\s*define\s+\w+\("
    r"|(?!if\b|for\b|while\b|switch\b|return\b|else\b|do\b|case\b)[A-Za-z_][\w:<>,*&~ \t]*[ \t*&:~]\w+\s*\([^;]*$"
)

_PATTERNS: Final[dict[str, str]] = {
    "py": r"(?:async\s+)?def\s+\w|class\s+\w|[A-Z][A-Z0-9_]+\s*(?::[^=]{1,80})?=[^=]",
    "js": _SCRIPT,
    "go": r"func\b|type\s+\w+\s|(?:const|var)\s+(?:\(|\w)|package\s+\w",
    "rs": (
        r"(?:pub(?:\([^)]{0,40}\))?\s+)?(?:default\s+)?(?:const\s+|async\s+|unsafe\s+|extern\s+(?:\"[^\"]{0,20}\"\s+)?)*"
        r"(?:fn|struct|enum|trait|impl|mod|union|type|macro_rules!)\b"
    ),
    "java": _BRACES,
    "c": _C,
    "rb": r"(?:def|class|module)\s+[\w.]|(?:describe|context|it)\s+['\"]",
    "php": (
        r"(?:(?:public|private|protected|static|final|abstract|readonly)\s+)*(?:function\s+&?\w|class\s+\w|interface\s+\w"
        r"|trait\s+\w|enum\s+\w)"
    ),
    "sh": r"(?:function\s+[\w:-]+|[\w:-]+\s*\(\)\s*\{?)\s*",
    "sql": r"(?i:create|alter|drop)\s+\w|(?i:with)\s+\w+\s+(?i:as)\b",
    "lua": r"(?:local\s+)?function\b|\w+\s*=\s*function\b",
    "ex": r"(?:defmodule|defp?|defmacrop?|describe|test)\s",
    "hs": r"(?:module|data|newtype|class|instance|type)\s+\w|[a-z_][\w']*\s*::",
    "tf": r"(?:resource|data|module|variable|output|provider|locals|terraform)\b[^=]*\{",
    "proto": r"(?:message|service|enum|rpc|package)\s+\w",
    "css": r"[.#@:\w\[][^;{}]*\{\s*$",
    "yaml": r"(?:- )?[\w./\"'-]+\s*:(?:\s|$)",
    "toml": r"\[{1,2}[^\]]+\]",
    "make": r"[\w./%$(){}-]+(?:\s+[\w./%$(){}-]+)*\s*::?(?:\s|$)(?!=)",
    "docker": r"(?:FROM|RUN|COPY|CMD|ENTRYPOINT|ENV|ARG|WORKDIR|EXPOSE)\s",
}
_ENDINGS: Final[dict[str, str]] = {
    **dict.fromkeys(("py", "pyi", "pyx"), "py"),
    **dict.fromkeys(("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"), "js"),
    **dict.fromkeys(("java", "kt", "kts", "cs", "swift", "scala", "groovy", "dart"), "java"),
    **dict.fromkeys(("c", "h", "cc", "cpp", "cxx", "hh", "hpp", "m", "mm", "cu"), "c"),
    **dict.fromkeys(("sh", "bash", "zsh"), "sh"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("toml", "ini", "cfg"), "toml"),
    **dict.fromkeys(("tf", "hcl"), "tf"),
    **dict.fromkeys(("css", "scss", "less"), "css"),
    **dict.fromkeys(("ex", "exs"), "ex"),
    **{ending: ending for ending in ("go", "rs", "rb", "php", "sql", "lua", "hs", "proto")},
    "mk": "make",
    "makefile": "make",
    "dockerfile": "docker",
}
_GUESSED: Final = ("py", "rs", "go", "js", "java", "c")
"""Languages that are looked for where no path says which it is."""

_NAMED: Final = re.compile(r"[\w./~@+-]*?(?:\.([A-Za-z]{1,10})|\b(Makefile|Dockerfile))(?![\w.-])")


class Defined(NamedTuple):
    """One line that names something."""

    number: int
    indent: int
    text: str


def code_outline(sheet: Lined, room: int) -> list[str]:
    """Return the definitions of ``sheet`` in at most ``room`` characters; nothing where it is no source file.

    The outer ones stand before those within them.
    """
    found = definitions(sheet)
    levels = sorted({each.indent for each in found})
    for level in reversed(levels):
        for characters in (_DEFINITION_CHARACTERS, _NAME_CHARACTERS):
            chosen = [_line(each, characters) for each in found if each.indent <= level]
            if sum(len(line) + 1 for line in chosen) <= room:
                return chosen
    shown: list[str] = []
    room -= 60
    for line in (_line(each, _NAME_CHARACTERS) for each in found if each.indent == levels[0]):
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    return [*shown, f"... and {len(found) - len(shown)} more, up to line {found[-1].number}"] if shown else []


def definitions(sheet: Lined) -> tuple[Defined, ...]:
    """Return the definitions of a source file, in order; nothing where the text isn't one.

    A command may name a source file and say something else, such as what went wrong in it.
    """
    language = language_of(sheet.about)
    if language and not sheet.about.strip().count(" "):
        return _found(sheet.lines, language)
    sample = sheet.lines[:_SAMPLED]
    if not _looks_like_code(sample):
        return ()
    language = language or max(_GUESSED, key=lambda guess: len(_found(sample, guess)))
    found = _found(sheet.lines, language)
    return found if len(found) >= DEFINITIONS_MIN and len(found) * _SPARSE >= len(sheet.lines) else ()


def language_of(about: str) -> str:
    """Return the language of the one kind of source file that ``about`` names; empty where it doesn't say."""
    found = {
        _ENDINGS[ending.lower()]
        for match in _NAMED.finditer(about[:400])
        if (ending := match[1] or match[2]).lower() in _ENDINGS
    }
    return found.pop() if len(found) == 1 else ""


def _found(lines: Sequence[Numbered], language: str) -> tuple[Defined, ...]:
    pattern = re.compile(_PATTERNS[language])
    found: list[Defined] = []
    for number, text in lines:
        code = text.lstrip()
        if code and pattern.match(code) is not None:
            indent = len(text[: len(text) - len(code)].expandtabs(4))
            found.append(Defined(number, indent, code.rstrip()[:_DEFINITION_CHARACTERS]))
    return tuple(found)


def _looks_like_code(lines: Sequence[Numbered]) -> bool:
    """Prose and logs have lines that begin like definitions too, but don't end or indent most lines as code does."""
    looked = [line.text.rstrip() for line in lines if line.text.strip()]
    marks = sum(line[:1] in " \t" or line[-1] in "{};:,()" for line in looked)
    marked = sum(line[:4] in ("E   ", ">   ") or line[:5] in ("FAIL ", "ERROR") for line in looked)
    return marks * 2 > len(looked) and not marked


def _line(each: Defined, characters: int) -> str:
    return f"{each.number}: {' ' * min(each.indent, 12)}{each.text[:characters]}"
