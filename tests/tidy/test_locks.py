"""The locks: every package pinned with its hashes, no registry named, the small ones cut from the large."""

import re
import tomllib

from tests.tidy.tree import ROOT

PIN = re.compile(
    r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\\n|\n|$))+)",
    re.MULTILINE,
)


def pins(text: str) -> dict[str, str]:
    """Return the version of each package that is pinned with hashes."""
    return {name: version for name, version, _ in PIN.findall(text)}


def leftovers(text: str) -> list[str]:
    """Return the lines of a lock that are no pin: an address, an option, a package without a hash."""
    return [line for line in PIN.sub("", text).splitlines() if line.strip()]


def lock(name: str) -> str:
    """Return the text of a lock."""
    return (ROOT / name).read_text(encoding="utf-8")


def wanted(group: str) -> set[str]:
    """Return the packages that ``pyproject.toml`` names for ``group``; '' is what perdure runs on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    return {re.split(r"[<>=\[ ;]", line)[0].lower() for line in lines if isinstance(line, str)}


def test_every_line_of_every_lock_is_a_pin_with_hashes():
    for name in ("requirements.lock", "requirements-runtime.lock", "requirements-local.lock"):
        assert leftovers(lock(name)) == [], name
        assert pins(lock(name)) != {}, name


def test_the_runtime_lock_is_a_part_of_the_whole_one():
    assert pins(lock("requirements-runtime.lock")).items() <= pins(lock("requirements.lock")).items()


def test_what_the_project_names_is_locked():
    assert wanted("") <= pins(lock("requirements-runtime.lock")).keys()
    assert wanted("") | wanted("dev") | wanted("build") <= pins(lock("requirements.lock")).keys()


def test_an_address_and_a_pin_without_a_hash_are_caught():
    good = "click==8.1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert leftovers(good) == []
    assert leftovers("--index-url https://registry.example\n" + good + "rich==1.0\n") == [
        "--index-url https://registry.example",
        "rich==1.0",
    ]
