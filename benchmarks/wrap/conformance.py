"""The conformance suite against a server with every feature, directly and through `perdure mcp`, and what that cost.

Directly first, so that what the server itself lacks counts against nobody. Through the gateway the contract, the
receipts and the log are on; the server is behind it once on standard streams and once on HTTP. Then the suite's
client scenarios: its own server, asked directly and through the gateway. A careless gateway stands beside, whose
losses have to be seen.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks.wrap.careless import careless
from benchmarks.wrap.processes import PERDURE, listening
from benchmarks.wrap.suite import Verdicts, lost, passed, tried_client, tried_server

EVERYTHING = (sys.executable, "-m", "benchmarks.wrap.everything")
CLIENT_SCENARIOS = ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry")
"""All but those about OAuth: a client's login is with its server, and no proxy's matter."""
CONTRACT = """\
allow: ["*"]
budgets:
  - { name: calls, of: calls, max: 10_000 }
"""


class Conformity(msgspec.Struct):
    """What one way through did to the scenarios."""

    passed: int
    scenarios: int
    regressions: dict[str, list[str]]
    """by scenario: the checks that turned out worse than directly"""


def compared(direct: Verdicts, through: Verdicts) -> Conformity:
    """Return what became of what passed directly."""
    regressions = {
        name: worse
        for name, checks in direct.items()
        if (worse := lost(checks, through.get(name, {})))
        or (passed(checks) and not passed(through.get(name, {})) and (worse := ["nothing was checked"]))
    }
    return Conformity(sum(passed(checks) for checks in through.values()), len(direct), regressions)


def directly(results: Path) -> Verdicts:
    """Run the suite against the server alone."""
    with listening([*EVERYTHING, "--http", "0"]) as url:
        return tried_server(url, results)


def through_perdure(base: Path, *, over_http: bool) -> Verdicts:
    """Run the suite through `perdure mcp`."""
    base.mkdir(parents=True)
    (base / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    options = [
        "--listen",
        "127.0.0.1:0",
        "--store",
        str(base / "store"),
        "--contract",
        str(base / "contract.yaml"),
    ]
    with ExitStack() as stack:
        if over_http:
            behind = ["--url", stack.enter_context(listening([*EVERYTHING, "--http", "0"]))]
        else:
            behind = ["--", *EVERYTHING]
        url = stack.enter_context(listening([*PERDURE, "mcp", *options, *behind]))
        return tried_server(url, base / "results")


def through_careless(base: Path) -> Verdicts:
    """Run the suite through the careless gateway."""
    with listening([*EVERYTHING, "--http", "0"]) as url, careless(url) as front:
        return tried_server(front, base)


def asked(base: Path, through: str = "") -> Verdicts:
    """Run the client scenarios, through a command where one is given."""
    found: Verdicts = {}
    for scenario in CLIENT_SCENARIOS:
        command = f"{sys.executable} -m benchmarks.wrap.asking"
        if through:
            command += f" {shlex.quote(through.replace('{scenario}', scenario))}"
        found |= tried_client(command, scenario, base / scenario)
    return found


def perdure_between(base: Path) -> str:
    """Return the command that stands between a client's standard streams and the suite's server."""
    base.mkdir(parents=True)
    (base / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    options = [
        "--contract",
        str(base / "contract.yaml"),
        "--store",
        str(base / "store-{scenario}"),
        "--url",
        "{url}",
    ]
    return shlex.join([*PERDURE, "mcp", *options])


def conformance(say: Callable[[str], None]) -> dict[str, object]:
    """Measure, and return the figures. Raises ``AssertionError`` where the harness misses what a careless gateway loses."""
    with tempfile.TemporaryDirectory(prefix="perdure-conformance-") as made:
        base = Path(made)
        direct = directly(base / "direct")
        broken = compared(direct, through_careless(base / "careless"))
        missed = {"json-schema-2020-12", "tools-call-with-progress"} - broken.regressions.keys()
        if missed:
            raise AssertionError(f"the harness does not see what a careless gateway loses: {missed}")
        ways = [
            compared(direct, through_perdure(base / name, over_http=name == "http"))
            for name in ("stdio", "http")
        ]
        clients = compared(asked(base / "asked"), asked(base / "between", perdure_between(base / "between")))
    for name, way in zip(("stdio", "http", "clients"), [*ways, clients], strict=True):
        for scenario, worse in way.regressions.items():
            say(f"  {name}: {scenario}: {', '.join(worse)}")
    return {
        "mcp_scenarios": min(way.passed for way in ways) + clients.passed,
        "mcp_scenarios_direct": sum(passed(checks) for checks in direct.values()) + clients.scenarios,
        "mcp_regressions": len({name for way in ways for name in way.regressions}) + len(clients.regressions),
        "mcp_careless_caught": len(broken.regressions),
    }
