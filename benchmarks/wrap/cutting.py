"""A client's session cut back by hand, as a person with an editor does it: to before the turn that called a tool.

It is the plainest form of going back, and the same with perdure and without.
"""

from pathlib import Path

RESULTS = ('"tool_result"', '_output"')
"""How a line with a tool's result looks, in Claude Code's sessions and in Codex's."""
CALLS = ('"tool_use"', '"function_call"')


def sessions(home: Path) -> list[Path]:
    """Return the client's sessions, newest last."""
    found = [*home.glob(".claude/projects/*/*.jsonl"), *home.glob(".codex/sessions/**/rollout-*.jsonl")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def called_in(session: Path, tool: str) -> bool:
    """Tell whether the client has written down that ``tool`` was called."""
    lines = session.read_text(encoding="utf-8").splitlines()
    return any(_calls(line, tool) for line in lines)


def cut_back(session: Path, tool: str) -> int:
    """Leave out the last call of ``tool`` and all behind the result before it; return how many lines that were."""
    lines = session.read_text(encoding="utf-8").splitlines(keepends=True)
    calls = [at for at, line in enumerate(lines) if _calls(line, tool)]
    if not calls:
        raise LookupError(f"{session.name} has no call of {tool}")
    before = [at for at, line in enumerate(lines[: calls[-1]]) if any(mark in line for mark in RESULTS)]
    kept = lines[: before[-1] + 1] if before else []
    session.write_text("".join(kept), encoding="utf-8")
    return len(lines) - len(kept)


def _calls(line: str, tool: str) -> bool:
    return tool in line and any(mark in line for mark in CALLS)
