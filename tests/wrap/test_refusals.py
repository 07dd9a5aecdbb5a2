"""What can't be wrapped is refused before the client starts, in words that help; nothing of it is left."""

import json
import os
import socket
import subprocess
import sys

import pytest

from perdure.log import events as e
from tests.wrap.kit import Desk, Wrapped


def refused(wrapped: Wrapped) -> str:
    """Return what was said of a wrap whose client was never started."""
    out, err = wrapped.process.communicate(timeout=60)
    assert out == b""
    return f"{wrapped.process.returncode} {err.decode()}"


def left_of(desk: Desk, run: str) -> list[str]:
    if not (desk.store / "log.db").exists():
        return []
    listed = json.loads(desk.type("ls", "--store", str(desk.store), "--json").stdout)
    return [each["run"] for each in listed["runs"] if each["run"] == run]


def test_a_client_that_is_not_installed(desk: Desk):
    said = refused(desk.wrap("nonesuch", run="none"))
    assert said.startswith("2 ")
    assert "nonesuch: no such program" in said
    assert "P609" in said
    assert not desk.store.exists()


def test_a_client_of_which_no_profile_is_known(desk: Desk):
    command = desk.words("grep", "-x", run="none")
    at = command.index("--profile")
    del command[at : at + 2]
    said = refused(Wrapped(desk, command, {}))
    assert "there is no profile of 'grep'" in said
    assert "P616" in said


def test_a_port_that_is_taken(desk: Desk):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(desk.wrap("small", run="none", options=("--port", str(port))))
    assert f"127.0.0.1:{port}: Address already in use" in said
    assert left_of(desk, "none") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written(desk: Desk):
    desk.store.mkdir(mode=0o500)
    assert "P406" in refused(desk.wrap("small", run="none"))


def test_a_store_that_is_no_directory(desk: Desk):
    desk.store.write_text("not a store")
    said = refused(desk.wrap("small", run="none"))
    assert str(desk.store) in said
    assert desk.store.read_text() == "not a store"


def test_a_store_in_the_directory_that_is_recorded(desk: Desk):
    desk.store = desk.work / "store"
    assert "lies in it" in refused(desk.wrap("small", run="none"))


def test_a_server_that_cannot_be_started(desk: Desk):
    asked = {"mcpServers": {"pay": {"command": str(desk.work / "nowhere"), "args": []}}}
    (desk.work / "servers.json").write_text(json.dumps(asked))
    said = refused(desk.wrap("small", run="none"))
    assert "pay" in said
    assert "nowhere" in said
    assert left_of(desk, "none") == []


def test_a_contract_that_is_none(desk: Desk):
    broken = desk.work / "house.yaml"
    broken.write_text("tools: [")
    assert "house.yaml" in refused(desk.wrap("small", run="none", options=("--contract", str(broken))))
    assert left_of(desk, "none") == []


def test_two_wraps_in_one_directory_a_name_that_is_taken_and_a_run_that_is_none(desk: Desk):
    first = desk.wrap("small", run="first")
    first.hears()
    said = refused(desk.wrap("small", run="second"))
    assert said.startswith("3 ")
    assert "another run works in it" in said
    assert "--isolate" in said
    first.says("0")
    assert first.ends()[0] == 0
    assert left_of(desk, "second") == []
    assert "--resume first" in refused(desk.wrap("small", run="first"))
    assert "there is no run 'other'" in refused(
        desk.wrap("small", run="other", options=("--resume", "other"))
    )


def test_a_program_that_cannot_be_executed_ends_the_run_that_was_begun_for_it(desk: Desk):
    (desk.programs / "broken").write_text("#!/nowhere/at/all\n")
    (desk.programs / "broken").chmod(0o755)
    said = refused(desk.wrap("broken", run="none"))
    assert "P609" in said
    (why,) = [event.body.why for event in desk.events("none") if isinstance(event.body, e.ClientLeft)]
    assert "never started" in why


def test_an_untested_version_is_only_observed_and_that_is_said_loudly(desk: Desk):
    wrapped = desk.wrap("small", run="new", options=("--quiet",), SMALL_VERSION="9.0.1")
    wrapped.hears()
    wrapped.says("0")
    code, told = wrapped.ends()
    assert code == 0
    assert "Small 9.0.1 was not tested" in told
    assert "only observed" in told
    assert len(told.strip().splitlines()) == 1


def test_a_client_inherits_what_it_would_without_us_and_no_more(desk: Desk):
    if sys.platform != "linux":
        pytest.skip("no /proc")
    probe = "grep SigIgn /proc/$$/status; ls /proc/$$/fd"
    wrapped = desk.wrap("sh", "-c", probe, run="sh")
    out, told = wrapped.process.communicate(timeout=60)
    muted, *descriptors = out.decode().splitlines()
    # Python mutes SIGPIPE for itself, not for whom it starts; what was muted around it stays so.
    assert (
        muted.encode()
        == subprocess.run(["sh", "-c", probe], stdout=subprocess.PIPE, check=True).stdout.splitlines()[0]
    )
    assert descriptors == ["0", "1", "2"]
    assert "Small doesn't say which version it is" in told.decode()


def test_settings_that_the_client_would_not_take_are_not_claimed_to_cover_it(desk: Desk):
    """As with Gemini CLI, which believes such a file only where root alone could have written it."""
    desk.store.parent.chmod(0o777)
    asked = {
        "mcpServers": {"pay": {"command": sys.executable, "args": ["-m", "perdure.testing.payments", "book"]}}
    }
    (desk.work / "servers.json").write_text(json.dumps(asked))
    profile = desk.store.parent / "owned.toml"
    lines = ("owned = true", 'without = "it takes that from root only"')
    text = desk.profile.read_text().replace("[[settings]]", "\n".join(("[[settings]]", *lines)))
    profile.write_text(
        f'{text}\n[hooks]\nclient = "gemini-cli"\nkey = ["hooks"]\n'.replace(
            'mcpServers = "{servers}" }', 'mcpServers = "{servers}", hooks = "{hooks}" }'
        )
    )
    desk.profile = profile
    contract = desk.store.parent / "contract.yaml"
    contract.write_text("repeat: 9\n")
    wrapped = desk.wrap("small", run="bare", options=("--contract", str(contract)))
    wrapped.says("0")
    _, told = wrapped.ends()
    assert "from root only" in told
    assert "of no MCP server" in told
    assert "judged, not exactly-once" not in told


def test_a_key_on_the_command_line_is_in_no_log_and_whoever_goes_on_gives_it_again(desk: Desk):
    wrapped = desk.wrap("small", "--api-key", "sk-0123456789abcdef", run="keyed")
    assert "sk-0123456789abcdef" in wrapped.hears()["arguments"]
    wrapped.says("0")
    wrapped.ends()
    assert b"sk-0123456789abcdef" not in b"".join(
        each.read_bytes() for each in desk.store.rglob("*") if each.is_file()
    )
    told = desk.type("wrap", "--resume", "keyed", "--profile", str(desk.profile), "--store", str(desk.store))
    assert told.returncode == 2
    assert "which isn't kept" in told.stderr
