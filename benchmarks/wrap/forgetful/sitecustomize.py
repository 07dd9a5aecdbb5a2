"""A build that remembers no receipt: found on ``PYTHONPATH``, it takes every act of a wrapped client for a new one.

It is the broken build beside the payments harness, which has to count two payments behind it. Only a keeper is
broken; whatever else starts with this path starts as ever.
"""

import sys

if "perdure.wrap.keeper" in " ".join(sys.orig_argv):
    from perdure.effect.memory import Fresh
    from perdure.intention.declaration import Declaration
    from perdure.intention.identity import Identity, key_of
    from perdure.orchestrator import judge
    from perdure.projection.state import State

    def nothing_remembered(state: State, declaration: Declaration, identity: Identity) -> Fresh:
        """Take every act for a new one, of a tool that was never called."""
        del declaration
        known = {**state.world.receipts, **state.world.open}
        attempt = 1
        while (key := key_of(f"{identity.stem} {len(known)}", attempt)) in known:
            attempt += 1
        return Fresh(key, f"{identity.stem} {len(known)}", attempt)

    judge.__dict__["recall"] = nothing_remembered
