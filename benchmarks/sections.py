"""Sections of a page that several benchmarks write: each replaces its own, and leaves what others have measured."""


def section(page: str, heading: str) -> str:
    """Return the section that begins with ``heading``, up to the next one of its level; empty if there is none."""
    start = page.find(f"\n{heading}\n") + 1 or (0 if page.startswith(f"{heading}\n") else -1)
    if start < 0:
        return ""
    end = page.find("\n## ", start + len(heading))
    return page[start:] if end < 0 else page[start : end + 1]


def replaced(page: str, heading: str, text: str) -> str:
    """Return ``page`` with ``text`` in place of its section of ``heading``, or at its end."""
    old = section(page, heading)
    if not old:
        return f"{page.rstrip()}\n\n{text.rstrip()}\n"
    before, after = page.split(old, 1)
    return f"{before}{text.rstrip()}\n" + (f"\n{after}" if after else "")
