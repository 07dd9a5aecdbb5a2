"""The house rules of STYLE section 3 as tests; beside each rule stands a broken sample it must catch.

A rule is a pure function from text to complaints, so that the sample and the tree meet the same code.
"""
