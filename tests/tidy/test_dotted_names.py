"""Every ``perdure.room.name`` that prose, a comment or a docstring mentions exists."""

import importlib
import re

from tests.tidy.tree import File, documents, source

DOTTED = re.compile(r"(?<![\w./-])perdure(?:\.[A-Za-z_]\w*)+")
FILE_ENDINGS = ("db", "json", "sqlite", "toml", "yaml")


def exists(name: str) -> bool:
    """Tell whether ``name`` can be imported, or is an attribute of what can."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as missing:
            if missing.name is None or not name.startswith(missing.name):
                raise
            continue
        for part in parts[cut:]:
            if part in getattr(found, "__annotations__", {}):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def lost_names(files: list[File]) -> list[str]:
    """Return the dotted names that lead nowhere."""
    named = {
        (file.name, match)
        for file in files
        for match in DOTTED.findall(file.text)
        if not match.endswith(FILE_ENDINGS)
    }
    return [
        f"{where} speaks of {name}, which does not exist" for where, name in sorted(named) if not exists(name)
    ]


def test_every_dotted_name_in_the_documents_exists():
    assert lost_names(documents()) == []


def test_every_dotted_name_in_the_source_exists():
    assert lost_names(source()) == []


def test_a_room_a_module_and_an_attribute_that_are_not_there_are_caught():
    text = "`perdure.attic.x`, perdure.values.attic, perdure.values.limits.ATTIC, perdure.values.errors.Held"
    assert lost_names([File("docs/x.md", text)]) == [
        "docs/x.md speaks of perdure.attic.x, which does not exist",
        "docs/x.md speaks of perdure.values.attic, which does not exist",
        "docs/x.md speaks of perdure.values.limits.ATTIC, which does not exist",
    ]
