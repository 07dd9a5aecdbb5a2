"""A tool's own word on which arguments are paths and hosts: judged by every reach, and a contract's line wins."""

import pytest

from perdure.contract import Contract, Reach, Refusal, ToolRules, compile_law, judge
from perdure.contract.grounds import grounds_of
from perdure.intention.declaration import Declaration, Definition, definition_bytes, read_definition
from perdure.values.digest import Json
from perdure.values.errors import BadContract
from tests.contract.agents import WHERE, figures

PLACES: dict[str, Json] = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "to": {"type": "string"}, "url": {"type": "string"}},
}
MOVE = Declaration("move", schema=PLACES, reads=("path",), writes=("to",), connects=("url",))
SHELL = Declaration("shell", schema=PLACES, keeps=("read", "write"))


def refusal(contract: Contract, tool: Declaration, **arguments: Json) -> str:
    """Return the rule that refuses the call; '' where it may be done."""
    law = compile_law(Definition("a", "", "m", (tool,)), contract)
    judged = judge(law, tool, arguments, figures(), WHERE)
    return judged.rule if isinstance(judged, Refusal) else ""


def test_declared_paths_and_hosts_are_judged_without_a_line_for_the_tool():
    contract = Contract(reach=Reach(read=("src/**",), write=("out/**",), hosts=("a.example",)))
    assert refusal(contract, MOVE, path="src/a", to="out/b", url="https://a.example/x") == ""
    assert refusal(contract, MOVE, path="lib/a") == "reach.read"
    assert refusal(contract, MOVE, to="src/b") == "reach.write"
    assert refusal(contract, MOVE, url="https://b.example") == "reach.hosts"


def test_a_contract_without_a_reach_leaves_declared_paths_alone():
    assert refusal(Contract(), MOVE, path="../x", to="/etc/passwd", url="nonsense") == ""


def test_the_contracts_own_line_wins_over_the_declaration():
    contract = Contract(reach=Reach(read=("src/**",)), tools={"move": ToolRules(reads=("to",))})
    assert refusal(contract, MOVE, path="lib/a", to="src/b") == ""
    assert refusal(contract, MOVE, path="src/a", to="lib/b") == "reach.read"


def test_a_reach_that_a_tool_keeps_by_itself_binds_something():
    contract = Contract(reach=Reach(read=("src/**",), write=("src/**",)))
    assert refusal(contract, SHELL, path="lib/a") == ""
    with pytest.raises(BadContract, match=r"reach\.hosts binds nothing"):
        compile_law(Definition("a", "", "m", (SHELL,)), Contract(reach=Reach(hosts=("*",))))
    narrowed = Contract(tools={"shell": ToolRules(reach=Reach(write=("src/**",)))})
    assert refusal(narrowed, SHELL, path="lib/a") == ""


def test_a_declaration_reads_back_with_its_paths_and_one_without_them_is_stored_as_before():
    definition = Definition("a", "", "m", (MOVE, SHELL))
    assert read_definition(definition_bytes(definition)) == definition
    assert definition_bytes(Definition("a", "", "m", (Declaration("t"),))) == (
        b'{"name":"a","instructions":"","model":"m","tools":[{"name":"t"}]}'
    )


def test_grounds_say_why_a_path_may_not_be_touched():
    contract = Contract(
        reach=Reach(read=("**", "!**/.env"), write=("src/**",)),
        tools={"write": ToolRules(reach=Reach(write=("!src/generated/**", "**")))},
    )
    grounds = grounds_of(contract, "write", hidden=("**/*.pem",))
    assert grounds.barred(write=False, path="src/a.py") == ""
    assert grounds.barred(write=True, path="src/a.py") == ""
    assert "may not be read" in grounds.barred(write=False, path="app/.ENV")
    assert "may not be written" in grounds.barred(write=True, path="src/generated/x.py")
    assert "may not be read" in grounds.barred(write=False, path="keys/a.pem")
    assert "may not be written" in grounds.barred(write=True, path="src/a.pem")
    assert "leads out" in grounds.barred(write=False, path="../a.py")
    assert grounds_of(contract, "edit").barred(write=True, path="src/generated/x.py") == ""


def test_without_bounds_any_name_may_be_touched():
    grounds = grounds_of(Contract(), "read")
    assert grounds.barred(write=False, path="odd\nname\\x") == ""
    assert grounds_of(Contract(), "read", hidden=("**/.env",)).barred(write=False, path="a/.env") != ""
