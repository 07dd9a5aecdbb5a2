"""An agent file that stops while it is read."""

from perdure import Agent

agent = Agent(name="broken", instructions="", model=undefined_model)  # noqa: F821 - this is what is tested
