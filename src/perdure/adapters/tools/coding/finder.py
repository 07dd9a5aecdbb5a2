"""The searching process where there is no ripgrep: run as a file, with nothing of perdure loaded.

It reads one JSON object from its standard input (``pattern``, ``ignore_case``, ``files``: descriptors that
it was started with, ``most``: of one file) and writes ``descriptor:line`` for each line that matches. Where the
pattern can't be read it writes why, and ends with ``UNREADABLE``. It is a process of its own because a pattern may go back and forth for ever, and a process can be ended.
"""

import json
import os
import re
import sys
from typing import Final, TypedDict, cast

UNREADABLE: Final = 3
"""The exit code that says so."""


class Search(TypedDict):
    """What is looked for, and where."""

    pattern: str
    ignore_case: bool
    files: list[int]
    most: int


def search(order: Search) -> int:
    """Write the lines that match, file by file; return the exit code."""
    try:
        pattern = re.compile(order["pattern"], re.ASCII | (re.IGNORECASE if order["ignore_case"] else 0))
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        sys.stdout.write(str(error))
        return UNREADABLE
    for descriptor in order["files"]:
        found = 0
        with os.fdopen(descriptor, "rb") as file:
            for number, line in enumerate(file, 1):
                text = line.removesuffix(b"\n").removesuffix(b"\r")
                if number == 1:
                    text = text.removeprefix(b"\xef\xbb\xbf")
                if pattern.search(text.decode("utf-8", "replace")):
                    sys.stdout.write(f"{descriptor}:{number}\n")
                    found += 1
                    if found == order["most"]:
                        break
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(search(cast("Search", json.load(sys.stdin))))
