"""The reference names every key there is, and everything that it and the examples show can be loaded."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from perdure import coding_tools
from perdure.adapters.contract_files import load_contract, problems
from perdure.contract import (
    ApprovalRule,
    Budget,
    Contract,
    Reach,
    Redaction,
    Rule,
    ToolRules,
    compile_law,
    judge,
)
from perdure.contract.rules import Measure
from perdure.contract.vocabulary import STATE
from perdure.intention.declaration import Declaration, Definition
from perdure.values.digest import Json
from tests.contract.agents import AGENT, WHERE, allowed, figures, refused

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract.md").read_text()
EXAMPLES = sorted(path for path in (ROOT / "examples" / "contracts").glob("[a-z]*.*"))

PARTS: dict[str, type[msgspec.Struct]] = {
    "### The contract": Contract,
    "### For one tool": ToolRules,
    "### Reach": Reach,
    "### Rules": Rule,
    "### Approvals": ApprovalRule,
    "### Budgets": Budget,
    "### Redaction": Redaction,
}


def rows(heading: str) -> list[str]:
    """Return the first column of the first table below ``heading``."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n#")[0]
    table = section[section.index("|") :].split("\n\n")[0]
    return re.findall(r"^\| `([\w.]+)", table, re.MULTILINE)


@pytest.mark.parametrize("heading", PARTS)
def test_the_reference_has_every_key_and_no_other(heading: str):
    written = [field for field in PARTS[heading].__struct_fields__ if field not in {"file", "lines"}]
    assert sorted(rows(heading)) == sorted(written)


def test_the_reference_has_every_measure_and_every_name_of_the_state():
    assert re.findall(r"^\| `(\w+)` \| .* \| before", PAGE, re.MULTILINE) == list(Measure.__args__)
    named = re.findall(r"^\| `(state\.\w+)", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(STATE)


def test_what_the_reference_marks_as_needed_is_needed():
    needed = set(re.findall(r"^\| `(\w+)` \| [^|]*\*needed\*", PAGE, re.MULTILINE))
    required = {
        field.name for part in PARTS.values() for field in msgspec.structs.fields(part) if field.required
    }
    assert needed == required


def test_every_contract_that_the_page_shows_loads(tmp_path: Path):
    blocks = re.findall(r"```(yaml|python)\n(.*?)```", PAGE, re.DOTALL)
    shown = [(kind, text) for kind, text in blocks if "Agent(" not in text]
    assert len(shown) >= 2
    for number, (kind, text) in enumerate(shown):
        file = tmp_path / f"shown{number}.{'py' if kind == 'python' else kind}"
        file.write_text(text)
        assert [problem.told() for problem in problems(file, AGENT)] == []


def test_every_condition_that_the_page_shows_is_cel():
    shown = re.findall(
        r"^\| [\w ,()/0-9A-Z]+ \| (`[^|]*(?:\\\|\\\|[^|]*)?`) \|$", PAGE.split("| to say")[1], re.MULTILINE
    )
    conditions = [found.split("`")[1].replace("\\|", "|") for found in shown]
    assert len(conditions) == 7
    properties: dict[str, Json] = {
        **{name: {"type": "string"} for name in ("currency", "invoice", "iban", "body", "note")},
        "tags": {"type": "array", "items": {"type": "string"}},
        "amount_cents": {"type": "integer"},
    }
    tool = Declaration("t", schema={"properties": properties, "required": [*properties]})
    rules = tuple(Rule(f"r{number}", require=text) for number, text in enumerate(conditions))
    assert compile_law(Definition("a", "", "", (tool,)), Contract(rules=rules)).names == ("t",)


def taking(name: str, **arguments: str) -> Declaration:
    """Return a tool that needs these arguments."""
    properties: dict[str, Json] = {argument: {"type": kind} for argument, kind in arguments.items()}
    return Declaration(name, schema={"type": "object", "properties": properties, "required": [*properties]})


AGENTS = {
    "payables.yaml": (taking("open_invoices"), taking("pay", invoice="string", amount_cents="integer")),
    "coder.yaml": (
        *(each.declaration for each in coding_tools()),
        replace(taking("fetch", url="string"), connects=("url",)),
        taking("git_push"),
    ),
    "cluster.py": (
        taking("get_pods"),
        taking("scale", namespace="string", replicas="integer"),
        taking("restart", namespace="string"),
    ),
}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_fits_the_agent_that_it_is_for(file: Path):
    agent = Definition("a", "", "", AGENTS[file.name])
    assert [problem.told() for problem in problems(file, agent)] == []
    assert compile_law(agent, load_contract(file)).digest


def test_the_example_for_payments_refuses_what_it_says_it_refuses():
    agent = Definition("a", "", "", AGENTS["payables.yaml"])
    law = compile_law(agent, load_contract(ROOT / "examples" / "contracts" / "payables.yaml"))
    pay = agent.tools[1]
    verdict = allowed(judge(law, pay, {"invoice": "INV-1", "amount_cents": 50001}, figures(), WHERE))
    assert verdict.approval is not None
    assert verdict.approval.who == "treasurer"
    assert (
        refused(judge(law, pay, {"invoice": "../1", "amount_cents": 5}, figures(), WHERE)).rule
        == "rules.known-invoices"
    )
