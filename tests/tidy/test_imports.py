"""Importing does nothing and stays light; the core imports only what it may.

Weight is what gets loaded, compared with an empty interpreter and with a bare ``import click``: no clock
is read, so a busy machine can't make these fail.
"""

import ast
import subprocess
import sys

from tests.tidy.tree import File, source

CORE = {
    "values", "log", "projection", "intention", "contract", "effect", "page", "checkpoint",
    "orchestrator", "wire", "replay",
}  # fmt: skip
CORE_LIBRARIES = {"cel_expr_python", "jsonschema_rs", "msgspec", "perdure"}
HEAVY = {
    "anthropic", "apsw", "asyncio", "cel_expr_python", "httpx", "httpx2", "jsonschema_rs", "openai", "psutil",
    "pydantic", "rich", "tenacity", "yaml", "zstandard",
}  # fmt: skip
FRONT_DOOR_MODULES_MAX = 30
"""What `import perdure` may load beyond an empty interpreter: the lazy front door and little else."""
HELP_MODULES_MAX = 60
"""What `perdure --help` may load beyond click."""
SHOW = "\nimport sys; sys.stdout.write('\\n' + ' '.join(sys.modules))"
HELP = """
import sys
from perdure.cli import main
sys.argv = ["perdure", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def loaded(program: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after ``program``."""
    done = subprocess.run(
        [sys.executable, "-c", program + SHOW], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


def heavy(modules: set[str]) -> set[str]:
    """Return the heavy libraries among ``modules``."""
    return HEAVY & {name.split(".")[0] for name in modules}


def foreign_imports(files: list[File]) -> list[str]:
    """Return what the core imports beyond the standard library, CEL, JSON Schema and msgspec."""
    found: list[str] = []
    for file in files:
        if not file.name.startswith("src/perdure/") or file.room not in CORE:
            continue
        for node in ast.walk(file.tree):
            match node:
                case ast.Import(names=names):
                    roots = {alias.name.split(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    roots = {module.split(".")[0]}
                case _:
                    continue
            found += [
                f"{file.name}:{node.lineno} imports {root}"
                for root in sorted(roots - CORE_LIBRARIES - sys.stdlib_module_names)
            ]
    return found


def work_on_import(files: list[File]) -> list[str]:
    """Return statements that do something when a module is imported, rather than define something."""
    found: list[str] = []
    for file in files:
        for node in file.tree.body:
            match node:
                case ast.Expr(value=ast.Constant()):
                    continue
                case ast.Expr() | ast.For() | ast.While() | ast.With() | ast.Try():
                    if not file.name.endswith("__main__.py"):
                        found.append(f"{file.name}:{node.lineno} does something when imported")
                case _:
                    continue
    return found


def test_the_core_imports_only_msgspec_cel_and_json_schema():
    assert foreign_imports(source()) == []


def test_importing_a_module_does_nothing():
    assert work_on_import(source()) == []


def test_import_perdure_loads_little_and_nothing_heavy():
    added = loaded("import perdure") - loaded("pass")
    assert "perdure" in added
    assert heavy(added) == set()
    assert len(added) <= FRONT_DOOR_MODULES_MAX, sorted(added)


def test_help_loads_little_beyond_click_and_nothing_heavy():
    added = loaded(HELP) - loaded("import click")
    assert "perdure.cli" in added
    assert heavy(added) == set()
    assert len(added) <= HELP_MODULES_MAX, sorted(added)


def test_a_heavy_import_is_caught():
    assert heavy(loaded("import asyncio, yaml")) == {"asyncio", "yaml"}


def test_a_foreign_import_in_the_core_is_caught_and_one_above_is_not():
    text = "import yaml\nfrom rich.text import Text\nimport msgspec, json\n"
    assert foreign_imports([File("src/perdure/log/a.py", text)]) == [
        "src/perdure/log/a.py:1 imports yaml",
        "src/perdure/log/a.py:2 imports rich",
    ]
    assert foreign_imports([File("src/perdure/cli/a.py", text)]) == []


def test_work_on_import_is_caught():
    broken = File("src/perdure/log/a.py", '"""What it is."""\nx = 1\nregister(x)\nfor y in x:\n    pass\n')
    assert len(work_on_import([broken])) == 2
