"""Loading a contract: each kind of mistake is told with its exact line, and all of them at once."""

from pathlib import Path

import pytest

from perdure.adapters.contract_files import load_contract, problems
from perdure.contract import Budget, Contract, Problem, Reach, Rule, ToolRules, compile_law
from perdure.values.errors import BadContract
from tests.contract.agents import AGENT, allowed, bill, judged


def written(folder: Path, text: str, name: str = "contract.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


WHOLE = """\
# what the payables agent may do
allow: [pay, "read_*", fetch]
deny: ["drop_*"]
repeat: 3
reach:
  read: ["**", "!**/.env"]
  hosts: [https://api.example.com]
tools:
  pay:
    arguments:
      properties:
        amount_cents: {maximum: 1_000}
    amount: args.amount_cents
    on_divergence: refuse
  read_file:
    reads: [path]
  fetch: {connects: [url]}
rules:
  - name: euros
    tools: [pay]
    require: args.currency == 'EUR'
    reason: We pay in euros.
budgets:
  - {name: daily, of: spend, max: 2000, per: tenant, every: day}
approvals:
  - name: large
    tools: [pay]
    when: |
      args.amount_cents > 500 &&
      state.spent > 0
    who: treasurer
    expires: 12h
redact:
  - {name: card, pattern: '\\d{16}'}
"""


def test_a_file_becomes_the_contract_that_it_spells(tmp_path: Path):
    contract = load_contract(written(tmp_path, WHOLE))
    assert contract.allow == ("pay", "read_*", "fetch")
    assert contract.repeat == 3
    assert contract.reach == Reach(read=("**", "!**/.env"), hosts=("https://api.example.com",))
    assert contract.tools["pay"] == ToolRules(
        arguments={"properties": {"amount_cents": {"maximum": 1000}}},
        amount="args.amount_cents",
        on_divergence="refuse",
    )
    assert contract.rules[0].require == "args.currency == 'EUR'"
    assert contract.budgets == (Budget("daily", "spend", 2000, "tenant", "day"),)
    assert contract.approvals[0].when == "args.amount_cents > 500 &&\nstate.spent > 0\n"
    assert contract.redact[0].pattern == r"\d{16}"
    assert contract.lines["rules/0/require"] == 21
    assert problems(written(tmp_path, WHOLE), AGENT) == []
    allowed(judged(compile_law(AGENT, contract), "pay", bill(400)))


# One mistake per row: the text, the line that must be named, what is said, and its cure.
MISTAKES = [
    ("deny: [pya]", 1, "the agent has no tool 'pya'", "did you mean 'pay'?"),
    ("allow:\n  - pay\n  - payy", 3, "the agent has no tool 'payy'", "did you mean 'pay'?"),
    ("tools:\n  pya: {repeat: 2}", 2, "the agent has no tool 'pya'", "did you mean 'pay'?"),
    ("tols: {}", 1, "a contract has no key 'tols'", "did you mean 'tools'?"),
    ("file: x", 1, "a contract has no key 'file'", "its keys are: allow, approvals"),
    ("tools:\n  pay:\n    writs: [x]", 3, "pay has no key 'writs'", "did you mean 'writes'?"),
    ("rules:\n  - nam: a\n    name: b\n    when: 'true'\n    require: state.turns < 5", 2, "rules[0] has no key 'nam'", "did you mean 'name'?"),
    ("rules:\n  - require: state.turns < 5", 2, "rules[0] has no 'name'", "add it"),
    ("budgets:\n  - name: x", 2, "budgets[0] has no 'of' and no 'max'", "add them"),
    ("deny: pay", 1, "deny must be a list, not the text 'pay'", "write it as a list: [pay]"),
    ("deny:\n  - 5", 2, "deny[0] must be text, not 5", 'put it in quotes: "5"'),
    ("rules: {}", 1, "rules must be a list, not a mapping", "begin each item with a dash"),
    ("reach: [a]", 1, "reach must be a mapping, not a list", "write keys and values below it, indented"),
    ("tools:", 1, "tools must be a mapping, not nothing", "give it a value, or leave out the key"),
    ("repeat: three", 1, "repeat must be a whole number (below 2^62), not the text 'three'", "write digits"),
    ("repeat: 2.5", 1, "repeat must be a whole number (below 2^62), not 2.5", "write digits"),
    ("repeat: true", 1, "repeat must be a whole number (below 2^62), not true", "write digits"),
    (f"repeat: {2**64}", 1, "repeat must be a whole number (below 2^62)", "write digits"),
    ("repeat: 0", 1, "0 equal calls in a row would forbid the tool", "write 1 or more, or use deny"),
    ("tools:\n  pay:\n    repeat: 0", 3, "0 equal calls in a row", "write 1 or more"),
    ("tools:\n  pay:\n    amount: -5", 3, "an amount can't be negative", "write 0 or more"),
    ("tools:\n  pay:\n    amount: [x]", 3, "amount must be text or a whole number (below 2^62), not a list", "write it as text"),
    ("tools:\n  pay:\n    on_divergence: aks", 3, "must be one of allow, ask, refuse, not the text 'aks'", "did you mean 'ask'?"),
    ("budgets:\n  - {name: x, of: spending, max: 5}", 2, "of must be one of calls, cost", "did you mean 'spend'?"),
    ("budgets:\n  - {name: x, of: calls, max: 5, every: fortnight}", 2, "'fortnight' is no window of time", "90s, 15m"),
    ("budgets:\n  - {name: x, of: calls, max: -5}", 2, "a budget can't be negative", "write 0 to allow nothing"),
    ("budgets:\n  - {name: x, of: turns, max: 5, per: tenant}", 2, "turns are counted for a run", "use per: run"),
    ("budgets:\n  - {name: x, of: tokens, max: 5, tools: [pay]}", 2, "tokens are used by the model", "leave out tools"),
    ("budgets:\n  - {name: x, of: spend, max: 5}", 2, "budget 'x' counts nothing", "add tools.<name>.amount"),
    ("budgets:\n  - {name: 'a:b', of: calls, max: 5}", 2, "'a:b' is not a name", "without ':'"),
    ("budgets:\n  - {name: ' a', of: calls, max: 5}", 2, "' a' is not a name", "a few words"),
    ("rules:\n  - {name: '', when: state.turns > 5}", 2, "'' is not a name", "a few words"),
    ("budgets:\n  - {name: a, of: calls, max: 5}\n  - {name: a, of: calls, max: 6}", 3, "'a' is named twice in budgets", "own name"),
    ("approvals:\n  - name: x\n    expires: soon", 3, "'soon' is no duration", "write a number and a unit"),
    ("rules:\n  - name: x", 2, "rule 'x' has no condition and would refuse everything", "add when or require"),
    ("rules:\n  - name: x\n    tools: [pay]\n    require: args.amuont_cents < 5", 4, "pay has no argument 'amuont_cents'", "did you mean 'amount_cents'?"),
    ("rules:\n  - name: x\n    tools: [pay]\n    require: args.amount_cents < '5'", 4, "'<' does not take int and string", "compare text with text"),
    ("approvals:\n  - name: x\n    tools: [pay]\n    when: args.note == ''", 4, "args.note may be absent", "has(args.note)"),
    ("approvals:\n  - name: x\n    when: yes", 3, "nothing is called 'yes'", "args.* and state.*"),
    ("tools:\n  pay:\n    amount: args.invoice", 3, "an amount must be a whole number, and this is string", "name an integer"),
    ("tools:\n  pay:\n    amount: 'has(args.rate) ? args.rate : 0.0'", 3, "and this is double", "int(args.amount * 100.0 + 0.5)"),
    ("tools:\n  pay:\n    arguments:\n      properties:\n        amuont_cents: {}", 5, "pay has no argument 'amuont_cents'", "did you mean"),
    ("tools:\n  pay:\n    arguments: {type: objekt}", 3, "this is no JSON Schema", "correct it"),
    ("tools:\n  pay:\n    arguments: {$ref: 'http://example.com/x'}", 3, "put the definition into the schema itself", "correct it"),
    ("tools:\n  read_file:\n    reads: [path]", 3, "nothing says what may be read", "add reach.read to the contract"),
    ("reach:\n  read: ['**']\ntools:\n  read_file:\n    reads: [edits.pth]", 5, "read_file has no argument 'edits.pth'", "name one"),
    ("reach:\n  write: ['src/**']", 2, "reach.write binds nothing", "tools.<name>.writes"),
    ("tools:\n  read_file:\n    reach:\n      read: ['**']", 4, "it binds nothing", "name its arguments with reads"),
    ("reach:\n  read:\n    - 'a'\n    - 'src**'\ntools: {read_file: {reads: [path]}}", 4, "'src**' can't be used: ** must stand alone", "write **/*.py"),
    ("reach:\n  hosts: ['m\u00fcnchen.de']\ntools: {fetch: {connects: [url]}}", 2, "letters outside ASCII", "xn-- form"),
    ("redact:\n  - pattern: '(['", 2, "the pattern can't be read", "Python's re syntax"),
    ("redact:\n  - pattern: 'x*'", 2, "the pattern matches nothing at all", "make it match something"),
    ("repeat: 2\nrepeat: 3", 2, "the key 'repeat' is written twice, first on line 1", "keep one"),
    ("deny: [pay", 1, "it is not YAML", "mend the line"),
    ("deny: [*a]", 1, "it is not YAML: found undefined alias", "mend the line"),
    ("a: 1\n---\nb: 2", 2, "it is not YAML", "mend the line"),
    ("deny: !secret [pay]", 1, "the tag !secret means nothing here", "leave it out"),
    ("? [a, b]\n: 5", 1, "a key must be text", "plain word"),
    ("[a]", 1, "the contract must be a mapping, not a list", "write keys"),
    ("", 1, "the contract is empty", "write {} to allow every declared tool"),
    ("tools:\n  pay:\n    arguments: &a\n      properties: *a", 3, "nested too deeply", "write it out"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said", "cure"), MISTAKES)
def test_a_mistake_is_told_with_its_line_and_its_cure(tmp_path: Path, text, line, said, cure):
    file = written(tmp_path, text)
    found = problems(file, AGENT)
    assert [problem.line for problem in found] == [line] * len(found)
    assert len(found) == 1
    assert found[0].file == str(file)
    assert said in found[0].text
    assert cure in found[0].cure
    assert found[0].told().startswith(f"{file}:{line}: ")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path):
    file = written(tmp_path, "deny: [pya]\nrules:\n  - name: a\n    when: state.x\n  - nmae: b\nrepeat: no\n")
    told = [problem.told().removeprefix(f"{file}:") for problem in problems(file, AGENT)]
    assert told == [
        "1: the agent has no tool 'pya'; did you mean 'pay'?",
        "4: in `state.x`: state has no 'x' (column 6); it has: calls, cost_microusd, elapsed_s, spent, tenant, tokens, turns",
        "5: rules[1] has no key 'nmae'; did you mean 'name'?",
        "5: rules[1] has no 'name'; add it",
        "6: repeat must be a whole number (below 2^62), not the text 'no'; write digits without quotes or a point",
    ]


def test_loading_tells_what_needs_no_agent_and_the_law_tells_the_rest(tmp_path: Path):
    with pytest.raises(BadContract) as caught:
        load_contract(written(tmp_path, "rules:\n  - {name: a, when: state.x < 5}\nrepaet: 3"))
    assert str(caught.value).count("\n") == 1
    file = written(tmp_path, "deny: [pya]\nrules:\n  - name: a\n    tools: [pay]\n    when: args.zzz < 5")
    contract = load_contract(file)
    with pytest.raises(BadContract) as caught:
        compile_law(AGENT, contract)
    first, second = str(caught.value).split("\n")
    assert first == f"{file}:1: the agent has no tool 'pya'; did you mean 'pay'?"
    assert second.startswith(f"{file}:5: in `args.zzz < 5`: pay has no argument 'zzz'")


def test_lines_stay_true_behind_a_part_that_was_left_out(tmp_path: Path):
    file = written(tmp_path, "rules:\n  - {name: 5}\n  - name: b\n    hint: x\n    when: state.x < 5")
    assert [problem.line for problem in problems(file, None)] == [2, 5]


def test_plain_words_mean_what_yaml_1_2_says(tmp_path: Path):
    contract = load_contract(
        written(tmp_path, "rules:\n  - {name: on, when: state.turns > 5, reason: 12:30, hint: 1_0x}")
    )
    assert contract.rules == (Rule("on", when="state.turns > 5", reason="12:30", hint="1_0x"),)


def test_names_may_be_words_that_people_use(tmp_path: Path):
    contract = load_contract(written(tmp_path, "budgets:\n  - {name: a day's payments, of: calls, max: 1}"))
    assert contract.budgets[0].name == "a day's payments"


def test_json_is_read_as_well(tmp_path: Path):
    file = written(tmp_path, '{"deny": ["pay"],\n "repeat": 2}', "contract.json")
    assert load_contract(file).repeat == 2


def test_anchors_and_aliases_are_followed(tmp_path: Path):
    contract = load_contract(written(tmp_path, "deny: &all [pay]\nallow: *all"))
    assert contract.allow == contract.deny == ("pay",)


def test_aliases_that_stand_for_billions_are_refused(tmp_path: Path):
    lines = ["tools:", "  x: &a0 [1, 2]"] + [
        f"  y{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)
    ]
    found = problems(written(tmp_path, "\n".join(lines)), None)
    assert any("repeats itself through aliases" in problem.text for problem in found)


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("contract.toml", b"", 0, ".toml is no kind of contract"),
        ("contract.yaml", b"a: 1\nb: \xff", 2, "not UTF-8"),
        ("contract.yaml", b"#" * 2_000_000, 0, "larger than any contract"),
        ("contract.yaml", b"a: [" * 5000, 0, "nested too deeply"),
        ("contract.yaml", b"a: \x00", 0, "it is not YAML"),
    ],
)
def test_a_file_that_can_not_be_a_contract_is_told_as_such(tmp_path: Path, name, content, line, said):
    file = tmp_path / name
    file.write_bytes(content)
    (problem,) = problems(file, AGENT)
    assert (problem.line, said in problem.text) == (line, True)


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path):
    with pytest.raises(BadContract, match=r"none\.yaml: the contract can't be opened: No such file"):
        load_contract(tmp_path / "none.yaml")


# --- Python -----------------------------------------------------------------------------------------

PYTHON = """\
from perdure.contract import Budget, Contract, Rule

MAX = 500
RULES = (
    Rule("small", ("pay",), require=f"args.amount_cents < {MAX}"),
    Rule(
        name="typo",
        require="state.turn < 5",
    ),
)
contract = Contract(
    deny=("pya",),
    rules=RULES,
    budgets=(
        Budget("b", "spend", -1),
    ),
)
"""


def test_a_python_contract_is_told_its_lines_too(tmp_path: Path):
    found = problems(written(tmp_path, PYTHON, "contract.py"), AGENT)
    assert [(problem.line, problem.text.split(" (")[0]) for problem in found] == [
        (8, "in `state.turn < 5`: state has no 'turn'"),
        (12, "the agent has no tool 'pya'"),
        (15, "budget 'b' counts nothing: no tool that it covers has an amount"),
        (15, "a budget can't be negative"),
    ]


def test_a_python_contract_may_be_computed(tmp_path: Path):
    text = "from perdure.contract import *\ncontract = Contract(deny=tuple(f'x{n}_*' for n in range(3)))\n"
    assert load_contract(written(tmp_path, text, "contract.py")).deny == ("x0_*", "x1_*", "x2_*")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("contract = Contract(\n", 1, "it is not Python: '(' was never closed"),
        ("x = 1\ny = 1 / 0\n", 2, "it stopped: ZeroDivisionError: division by zero"),
        ("contract = {}\n", 0, "it has no contract"),
        (
            "from perdure.contract import Contract\ncontract = Contract(\n    deny='pay',\n)\n",
            3,
            "expected `array`, got `str`",
        ),
    ],
)
def test_a_python_file_that_gives_no_contract_is_told_where(tmp_path: Path, text, line, said):
    (problem,) = problems(written(tmp_path, text, "contract.py"), AGENT)
    assert (problem.line, said in problem.text) == (line, True)


def test_a_contract_made_in_a_program_names_the_part_instead_of_a_line():
    with pytest.raises(BadContract, match=r"^rules\[0\]\.require: in `state\.x < 5`: state has no 'x'"):
        compile_law(AGENT, Contract(rules=(Rule("a", require="state.x < 5"),)))


def test_a_problem_without_a_line_still_names_its_file():
    assert Problem("c.py", 0, "what", "cure").told() == "c.py: what; cure"
    assert Problem("", 0, "what", "cure").told() == "what; cure"
