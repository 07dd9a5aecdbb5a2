"""Files stay under 400 lines and functions under 60: a ceiling, never a target."""

from tests.tidy.tree import File, code, functions

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
# One file shows everything that the system can remember (DESIGN section 4), and one all that is bounded
# (STYLE habit 15); all that can go wrong as well: to split them would hide that.
WHOLE_ON_PURPOSE = {
    "src/perdure/log/events.py": 950,
    "src/perdure/values/errors.py": 600,
    "src/perdure/values/limits.py": 950,
}


def long_files(files: list[File]) -> list[str]:
    """Return the files that hold more than one thought."""
    sizes = ((file, len(file.text.splitlines())) for file in files)
    return [
        f"{file.name} has {lines} lines: split it by thought"
        for file, lines in sizes
        if lines > WHOLE_ON_PURPOSE.get(file.name, FILE_LINES_MAX)
    ]


def long_functions(files: list[File]) -> list[str]:
    """Return the functions that don't fit on a screen."""
    return [
        f"{file.name}:{node.lineno} {node.name} has {lines} lines: it is two thoughts"
        for file in files
        for node in functions(file)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


def test_every_file_stays_under_its_ceiling():
    assert long_files(code()) == []


def test_every_function_fits_on_a_screen():
    assert long_functions(code()) == []


def test_a_file_of_401_lines_is_caught_and_one_of_400_is_not():
    assert long_files([File("a.py", "x = 1\n" * 401)]) == ["a.py has 401 lines: split it by thought"]
    assert long_files([File("a.py", "x = 1\n" * 400)]) == []


def test_a_method_of_61_lines_is_caught_and_one_of_60_is_not():
    def method(lines: int) -> File:
        return File("a.py", "class A:\n    async def go(self):\n" + "        await self\n" * (lines - 1))

    assert long_functions([method(61)]) == ["a.py:2 go has 61 lines: it is two thoughts"]
    assert long_functions([method(60)]) == []
