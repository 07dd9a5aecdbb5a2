"""The tools bite: each is run, with our own configuration, on a sample that it must refuse."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tidy.dead import dead
from tests.tidy.tree import ROOT

TOOLS = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str, at: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of the tools that stand beside this interpreter."""
    return subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=at, input=given, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def write(root: Path, files: dict[str, str]) -> None:
    """Put ``files`` below ``root``, beside our ``pyproject.toml``."""
    shutil.copy(ROOT / "pyproject.toml", root)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def banned() -> list[str]:
    """Return what is banned below the driver."""
    return sorted(PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])


def use(name: str) -> str:
    """Return a line that imports ``name``: a function from its module, a class's method through the class."""
    module, _, rest = name.partition(".")
    if name in {"random", "secrets", "unittest.mock"}:
        return f"import {name}\n"
    return f"import {module}\n\nprint({module}.{rest})\n"


@pytest.mark.parametrize("name", banned())
def test_clock_chance_and_mocks_are_refused_below_the_driver(name: str):
    lint = ("ruff", "check", "--no-cache", "--select", "TID251", "--stdin-filename")
    below = run(*lint, "src/perdure/effect/sample.py", "-", at=ROOT, given=use(name))
    above = run(*lint, "src/perdure/driver/sample.py", "-", at=ROOT, given=use(name))
    assert f"`{name}` is banned" in below.stdout
    assert above.returncode == 0


def rooms() -> dict[str, str]:
    """Return an empty house with every room that the floors name."""
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [room.strip("() ") for layer in layers for room in layer.split("|")]
    sample = {f"src/perdure/{room}/__init__.py": "" for room in names}
    below_surfaces = names[names.index("assembly") :]
    sample |= {f"src/perdure/{room}/inner.py": "" for room in below_surfaces}
    sample["src/perdure/__init__.py"] = "import perdure.adapters.sqlite\n"
    sample["src/perdure/adapters/holders.py"] = ""
    sample["src/perdure/log/port.py"] = "import concurrent.futures\n"
    sample["src/perdure/adapters/sqlite/__init__.py"] = "import perdure.adapters.sqlite.store\n"
    sample["src/perdure/adapters/sqlite/store.py"] = "import perdure.adapters.holders\n"
    sample["src/perdure/adapters/memory/__init__.py"] = "import perdure.log\n"
    return sample


LINT = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command as go; go()"
"""The interpreter must find the sample before the installed package, which has the same name."""


def floors(root: Path, files: dict[str, str]) -> dict[str, str]:
    """Return what import-linter says of each contract over ``files``."""
    write(root, files)
    told = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=root, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    verdicts = {
        contract["id"]: re.search(re.escape(contract["name"]) + r" (KEPT|BROKEN)", told.stdout)
        for contract in contracts
    }
    return {
        name: verdict.group(1) if verdict else told.stdout + told.stderr for name, verdict in verdicts.items()
    }


def test_a_house_that_keeps_its_floors_passes(tmp_path: Path):
    assert set(floors(tmp_path, rooms()).values()) == {"KEPT"}


def test_every_way_through_the_floors_is_refused(tmp_path: Path):
    broken = rooms() | {
        "src/perdure/values/__init__.py": "import perdure.log\n",
        "src/perdure/log/__init__.py": "import socket\n",
        "src/perdure/cli/__init__.py": "import perdure.adapters.sqlite\n",
        "src/perdure/adapters/sqlite/__init__.py": "import perdure.adapters.memory\n",
        "src/perdure/driver/inner.py": "import perdure\n",
        "src/perdure/effect/a.py": "import perdure.effect.b\n",
        "src/perdure/effect/b.py": "import perdure.effect.a\n",
    }
    assert set(floors(tmp_path, broken).values()) == {"BROKEN"}


def test_a_room_that_stands_on_no_floor_is_refused(tmp_path: Path):
    assert floors(tmp_path, rooms() | {"src/perdure/attic/__init__.py": ""})["floors"] == "BROKEN"


def test_untyped_values_and_silenced_checks_are_refused(tmp_path: Path):
    sample = (
        "import json\nfrom typing import Any\n\n\n"
        "def one(text: str):\n    return json.loads(text)['a']\n\n\n"
        "def two(x: Any) -> int:\n    return 'a'  # type: " + "ignore\n\n\n"
        "def three(x: int | str) -> int:\n    match x:\n        case int():\n            return x\n"
    )
    write(tmp_path, {"src/perdure/values/sample.py": sample, "tests/a.py": "", "benchmarks/a.py": ""})
    told = run("basedpyright", "src", at=tmp_path).stdout
    for rule in ("reportAny", "reportExplicitAny", "reportReturnType", "reportMatchNotExhaustive"):
        assert f"({rule})" in told, told


def test_dead_code_is_refused_and_fields_of_records_are_not(tmp_path: Path):
    text = (
        "import json\nimport typing\nLIMIT = 3\n\n\nclass Row(NamedTuple):\n    size: int\n\n    def count(self): ...\n\n\n"
        "def forgotten() -> Row:\n    return Row(1)\n    print('never')\ntyping.cast('list[Shape]', 1)\nclass Shape: ...\n"
    )
    write(tmp_path, {"src/a.py": text})
    assert [line.partition(": ")[2] for line in dead(tmp_path)] == [
        "unused import 'json'",
        "unused variable 'LIMIT'",
        "unused method 'count'",
        "unused function 'forgotten'",
        "unreachable code after 'return'",
    ]


def test_a_dependency_that_nobody_declared_is_refused(tmp_path: Path):
    write(tmp_path, {"src/perdure/__init__.py": "", "src/perdure/a.py": "import pytest\nimport numpy\n"})
    told = run("deptry", "src", at=tmp_path).stderr
    assert "'numpy' imported but missing from the dependency definitions" in told
    assert "'pytest' imported but declared as a dev dependency" in told
