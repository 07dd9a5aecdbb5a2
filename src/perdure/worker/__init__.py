"""Floor 9: processes that drive runs of a shared store, placed by a task engine.

What an engine delivers twice, late or never changes nothing that counts: a job says "look at run X", the run's log says
what is to be done, and the epoch of its lease keeps one writer.
"""
