"""The one tool of the agents beside this file: a shell. Run in a client's own environment, never in ours."""

import subprocess


def run(command: str) -> str:
    """Run a command in a shell and return what it printed."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr
